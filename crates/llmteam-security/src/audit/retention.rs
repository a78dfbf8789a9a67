//! Taking away what need not or must not be kept, so that what is left still proves itself.
//!
//! Invariant: what goes and the record that says so are one transaction. A pruned record leaves its hash, an erased
//! payload its commitment: root and old proofs stay good. It does not know what backups hold.

use std::{io::Write, time::Duration};

use super::{
    checkpoint::Checkpoint,
    error::AuditError,
    event::AuditEvent,
    event_type::AuditEventType,
    find::PIECE,
    hash::digest,
    keys::subject,
    note::{NoteKey, SignedNote},
    record::AuditRecord,
    store::{Change, Scan},
    trail::AuditTrail,
    tree::root,
    verify::{BundleLine, write_line},
};

/// Most records whose payloads one call erases.
const MOST: usize = 64;

impl AuditTrail {
    /// Archives and removes the records below number `below`, and records that. Their hashes stay.
    ///
    /// `anchor` is a checkpoint that somebody else holds too, signed by one of `keys`, which covers them. `archive` gets
    /// the records as lines of a bundle, whole, before anything is removed; its digest goes into the record.
    ///
    /// # Errors
    /// [`AuditError::Retention`] without a stated retention, when a record is younger than that, or when the anchor does
    /// not cover them or is not this log's.
    pub async fn prune(
        &self,
        below: u64,
        anchor: &SignedNote,
        keys: &[NoteKey],
        archive: &mut (dyn Write + Send),
    ) -> Result<AuditRecord, AuditError> {
        let refused = |reason: &str| AuditError::Retention {
            below,
            reason: reason.to_owned(),
        };
        let days = self
            .options
            .retention_days
            .ok_or_else(|| refused("the log states no retention"))?;
        self.covered_by(below, anchor, keys).await?;
        let archived = self.archive(below, days, archive).await?;
        let leaves = self.store.leaves(&self.tenant, 0, below).await?;
        let event = AuditEvent::new(AuditEventType::LogPruned)
            .with_attribute("archive", digest(&[&archived]).to_string())
            .with_attribute("below", below.to_string())
            .with_attribute("root", root(&leaves).to_string());
        let mut session = self.store.session(&self.tenant).await?;
        let mut unit = session.begin().await?;
        let mut records = self.append_in(&mut unit, vec![event]).await?;
        self.store
            .change_in(&mut unit, Change::Prune(below))
            .await?;
        unit.commit().await?;
        records
            .pop()
            .ok_or_else(|| AuditError::storage("the record of the pruning was not returned"))
    }

    async fn covered_by(
        &self,
        below: u64,
        anchor: &SignedNote,
        keys: &[NoteKey],
    ) -> Result<(), AuditError> {
        let refused = |reason: &str| AuditError::Retention {
            below,
            reason: reason.to_owned(),
        };
        let checkpoint = Checkpoint::of_note(anchor)?;
        let head = self.store.head(&self.tenant).await?;
        let head = head.ok_or_else(|| refused("there is no log"))?;
        let verdicts: Vec<bool> = keys.iter().filter_map(|it| it.verify(anchor)).collect();
        if checkpoint.origin != head.origin() || verdicts.is_empty() || verdicts.contains(&false) {
            return Err(refused("the anchor is not signed by a key of this log"));
        }
        if checkpoint.size < below
            || checkpoint.size > head.size()
            || below <= head.first_sequence()
        {
            return Err(refused("the anchor does not cover them, or they are gone"));
        }
        let leaves = self.store.leaves(&self.tenant, 0, checkpoint.size).await?;
        if root(&leaves) != checkpoint.root {
            return Err(refused("the log is not the one that was anchored"));
        }
        Ok(())
    }

    /// Writes the records below `below`; returns the bytes written.
    async fn archive(
        &self,
        below: u64,
        days: u32,
        archive: &mut (dyn Write + Send),
    ) -> Result<Vec<u8>, AuditError> {
        let age = Duration::from_secs(u64::from(days) * 86_400);
        let oldest = self.clock.now().checked_sub(age);
        let oldest = oldest.map_or(i64::MIN, crate::clock::Timestamp::as_micros);
        let (mut written, mut next) = (Vec::new(), 0);
        loop {
            let scan = Scan::range(next, below - 1, PIECE);
            let entries = self.store.scan(&self.tenant, &scan).await?;
            let Some(last) = entries.last() else { break };
            next = last.seq + 1;
            if entries.iter().any(|it| it.ts_us.cast_signed() > oldest) {
                return Err(AuditError::Retention {
                    below,
                    reason: format!("some are younger than the stated {days} days"),
                });
            }
            for entry in entries {
                write_line(&mut written, &BundleLine::Record(entry))?;
            }
        }
        archive
            .write_all(&written)
            .and_then(|()| archive.flush())
            .map_err(AuditError::storage)?;
        Ok(written)
    }

    /// Makes every payload about `person` unreadable for good, by erasing the key they are under, and records that.
    /// `None` when there is no such key. What stays are pseudonyms, times and types; and what backups hold.
    pub async fn shred(&self, person: &str) -> Result<Option<AuditRecord>, AuditError> {
        // What waits about the person goes under the key as well, before it is erased.
        self.flush().await?;
        let mut session = self.store.session(&self.tenant).await?;
        let mut unit = session.begin().await?;
        let Some(head) = self.store.lock_head(&mut unit).await? else {
            return Ok(None);
        };
        let subjects = [subject(&head, person).to_string()];
        let keys = self.store.keys_in(&mut unit, &subjects).await?;
        let Some(key) = keys.first() else {
            return Ok(None);
        };
        let event = AuditEvent::new(AuditEventType::PayloadShredded)
            .with_attribute("shredded_dek", key.dek_id.clone());
        let ids = keys.iter().map(|it| it.dek_id.clone()).collect();
        self.store
            .change_in(&mut unit, Change::EraseKeys(ids))
            .await?;
        let mut records = self.append_in(&mut unit, vec![event]).await?;
        unit.commit().await?;
        Ok(records.pop())
    }

    /// Erases the payloads of single records, at most 64, and records that.
    pub async fn erase_payloads(&self, sequences: &[u64]) -> Result<AuditRecord, AuditError> {
        let last = self.store.get_last_sequence(&self.tenant).await?;
        let highest = sequences.iter().copied().max().unwrap_or(0);
        if sequences.len() > MOST
            || sequences.contains(&0)
            || highest > last
            || sequences.is_empty()
        {
            let (start, end) = (1, highest);
            return Err(AuditError::Range { start, end, last });
        }
        let list: Vec<String> = sequences.iter().map(u64::to_string).collect();
        let event = AuditEvent::new(AuditEventType::PayloadShredded)
            .with_attribute("sequences", list.join(","));
        let mut session = self.store.session(&self.tenant).await?;
        let mut unit = session.begin().await?;
        let change = Change::ErasePayloads(sequences.to_vec());
        self.store.change_in(&mut unit, change).await?;
        let mut records = self.append_in(&mut unit, vec![event]).await?;
        unit.commit().await?;
        records
            .pop()
            .ok_or_else(|| AuditError::storage("the record of the erasure was not returned"))
    }

    /// Wraps every person's key with the current payload key; the others may go after that. All or none.
    pub async fn rewrap_keys(&self) -> Result<u64, AuditError> {
        let Some(keys) = &self.options.payload_keys else {
            return Ok(0);
        };
        let mut session = self.store.session(&self.tenant).await?;
        let mut unit = session.begin().await?;
        // Under the lock nobody erases a key that this would bring back.
        self.store.lock_head(&mut unit).await?;
        let stored = self.store.keys_in(&mut unit, &[]).await?;
        let old = stored.iter().filter(|it| it.kek_id != keys.current());
        let wrapped = old
            .map(|it| keys.rewrap(it))
            .collect::<Result<Vec<_>, _>>()?;
        let count = wrapped.len() as u64;
        if count > 0 {
            let event = AuditEvent::new(AuditEventType::KeyRotated)
                .with_attribute("payload_key", keys.current());
            self.store
                .change_in(&mut unit, Change::PutKeys(wrapped))
                .await?;
            self.append_in(&mut unit, vec![event]).await?;
            unit.commit().await?;
        }
        Ok(count)
    }
}

#[cfg(test)]
pub(super) mod tests;
