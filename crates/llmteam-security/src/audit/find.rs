//! Finding records, and checking the chain they are in.
//!
//! Invariant: a trail returns records of its tenant alone; reading holds a piece of the log at a time.
//! It does not know how stores narrow a search: see [`super::query`] for what matches.

use super::{
    entry::Entry,
    error::{AuditError, AuditIntegrityError},
    keys::SubjectKeys,
    query::{AuditQuery, OrderBy},
    record::AuditRecord,
    store::Scan,
    trail::AuditTrail,
    verify::{Verification, Verifier, VerifyOptions},
};
use crate::clock::Timestamp;

/// Entries read at a time.
pub(super) const PIECE: u32 = 1_000;

/// What [`AuditTrail::verify_chain`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainVerification {
    /// Whether nothing is wrong.
    pub valid: bool,
    /// Numbers that are not there, ascending, at most 100.
    pub missing: Vec<u64>,
    /// Numbers that are there twice, ascending, at most 100.
    pub duplicate: Vec<u64>,
    /// Numbers of records that were changed or do not follow, ascending, at most 100.
    pub invalid: Vec<u64>,
}

impl ChainVerification {
    /// `Err` when something is wrong.
    pub fn into_result(self) -> Result<(), AuditIntegrityError> {
        if self.valid {
            return Ok(());
        }
        let mut numbers = [self.missing, self.duplicate, self.invalid].concat();
        numbers.sort_unstable();
        numbers.truncate(100);
        Err(AuditIntegrityError::new("the chain is broken", numbers))
    }
}

impl AuditTrail {
    /// The records `query` asks for. Those that wait are appended first.
    pub async fn query(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, AuditError> {
        self.flush().await?;
        let mut found = Vec::new();
        let mut skipped = 0;
        let mut walk = self.walk(query).await?;
        while found.len() < query.capped_limit() {
            let Some(records) = walk.next(self).await? else {
                break;
            };
            for record in records.into_iter().filter(|it| query.matches(it)) {
                if skipped < query.offset {
                    skipped += 1;
                } else if found.len() < query.capped_limit() {
                    found.push(record);
                }
            }
        }
        Ok(found)
    }

    /// Goes over the log in the order of `query`, one piece at a time.
    pub(super) async fn walk(&self, query: &AuditQuery) -> Result<Walk, AuditError> {
        Ok(Walk {
            keys: self.all_keys().await?,
            scan: Scan {
                // The genesis record is the log's own.
                sequences: (1, u64::MAX >> 1),
                times: (
                    query.start_time.map_or(i64::MIN, Timestamp::as_micros),
                    query.end_time.map_or(i64::MAX, Timestamp::as_micros),
                ),
                order: query.order_by,
                descending: query.order_desc,
                after: None,
                limit: PIECE,
            },
            done: false,
        })
    }

    pub(super) async fn all_keys(&self) -> Result<SubjectKeys, AuditError> {
        match &self.options.payload_keys {
            None => Ok(SubjectKeys::default()),
            keys => Ok(SubjectKeys::open(
                keys.as_ref(),
                self.store.keys(&self.tenant).await?,
            )),
        }
    }

    /// The record of this number, if there is one.
    pub async fn get(&self, sequence: u64) -> Result<Option<AuditRecord>, AuditError> {
        let scan = Scan::range(sequence, sequence, 1);
        let entries = self.store.scan(&self.tenant, &scan).await?;
        let keys = self.all_keys().await?;
        entries.first().map(|it| self.opened(it, &keys)).transpose()
    }

    /// Checks records `start` to `end`, their links, and the link of the first to the one before it. Without `end` it
    /// goes to the last. A log with nothing recorded is valid.
    ///
    /// # Errors
    /// [`AuditError::Range`] for a range that is inverted or beyond the log. What is wrong with records is in the result.
    pub async fn verify_chain(
        &self,
        start: u64,
        end: Option<u64>,
    ) -> Result<ChainVerification, AuditError> {
        self.flush().await?;
        let Some(head) = self.store.head(&self.tenant).await? else {
            return Ok(ChainVerification {
                valid: true,
                missing: Vec::new(),
                duplicate: Vec::new(),
                invalid: Vec::new(),
            });
        };
        let last = head.last_sequence();
        let end = end.unwrap_or(last);
        if (start > end && last > 0) || end > last {
            return Err(AuditError::Range { start, end, last });
        }
        let first = start.saturating_sub(1).max(head.first_sequence());
        let mut check = RangeCheck::new(first, end);
        let mut next = first;
        loop {
            let entries = self
                .store
                .scan(&self.tenant, &Scan::range(next, end, PIECE))
                .await?;
            let Some(last) = entries.last() else { break };
            next = last.seq + 1;
            entries.iter().for_each(|it| check.push(it));
        }
        Ok(check.finish())
    }

    /// Checks the whole log, as an exported bundle would be, against `options` and the stored head.
    pub async fn verify(&self, mut options: VerifyOptions) -> Result<Verification, AuditError> {
        self.flush().await?;
        let head = match self.store.head(&self.tenant).await? {
            Some(head) => head,
            None => self.initialize().await?,
        };
        options.tenant.get_or_insert_with(|| self.tenant.clone());
        let first = head.first_sequence();
        let pruned = self.store.leaves(&self.tenant, 0, first).await?;
        let mut verifier = Verifier::pruned(head.origin(), options, &pruned);
        let (mut next, last) = (first, head.last_sequence());
        loop {
            let entries = self
                .store
                .scan(&self.tenant, &Scan::range(next, last, PIECE))
                .await?;
            let Some(piece) = entries.last() else { break };
            next = piece.seq + 1;
            verifier.push(&entries);
        }
        let checkpoint = head.checkpoint();
        Ok(verifier.finish(Some((checkpoint.size, checkpoint.root))))
    }
}

/// A pass over a log.
pub(super) struct Walk {
    keys: SubjectKeys,
    scan: Scan,
    done: bool,
}

impl Walk {
    /// The next records, narrowed by number and time alone.
    pub(super) async fn next(
        &mut self,
        trail: &AuditTrail,
    ) -> Result<Option<Vec<AuditRecord>>, AuditError> {
        if self.done {
            return Ok(None);
        }
        let entries = trail.store.scan(&trail.tenant, &self.scan).await?;
        self.done = entries.len() < self.scan.limit as usize;
        if let Some(last) = entries.last() {
            self.scan.after = Some((last.ts_us.cast_signed(), last.seq));
        }
        let opened = entries.iter().map(|it| trail.opened(it, &self.keys));
        opened.collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// The same pass upwards by number.
    pub(super) fn upwards(mut self) -> Self {
        self.scan.order = OrderBy::SequenceNumber;
        self.scan.descending = false;
        self
    }
}

/// Checks a part of a log, whose records come in order.
struct RangeCheck {
    next: u64,
    end: u64,
    last: Option<super::hash::Digest>,
    result: ChainVerification,
}

impl RangeCheck {
    fn new(first: u64, end: u64) -> Self {
        Self {
            next: first,
            end,
            last: None,
            result: ChainVerification {
                valid: true,
                missing: Vec::new(),
                duplicate: Vec::new(),
                invalid: Vec::new(),
            },
        }
    }

    fn push(&mut self, entry: &Entry) {
        if entry.seq < self.next {
            note(&mut self.result.duplicate, entry.seq);
            self.result.valid = false;
            return;
        }
        self.gap(entry.seq);
        let leaf = super::lta1::checksum(&entry.body);
        let follows = super::lta1::Record::decode(&entry.body).is_ok_and(|record| {
            let genesis = (record.seq == 0).then_some(super::hash::Digest::ZERO);
            let before = self.last.or(genesis);
            record.seq == entry.seq
                && leaf == entry.leaf
                && before.is_none_or(|it| it == record.prev)
        });
        if !follows {
            note(&mut self.result.invalid, entry.seq);
            self.result.valid = false;
        }
        self.last = Some(leaf);
        self.next = entry.seq + 1;
    }

    fn gap(&mut self, until: u64) {
        if self.next < until {
            self.result.valid = false;
            let room = 100_usize.saturating_sub(self.result.missing.len());
            self.result.missing.extend((self.next..until).take(room));
            self.last = None;
        }
    }

    fn finish(mut self) -> ChainVerification {
        self.gap(self.end + 1);
        self.result
    }
}

fn note(list: &mut Vec<u64>, number: u64) {
    if list.len() < 100 {
        list.push(number);
    }
}
