//! Recording what happened, for one tenant.
//!
//! Invariant: `log` returns after its record is durable; a number is given only to what is recorded; whoever else writes
//! to the same log, in this process or another, the records are one chain. The trail keeps no state of the log: it asks
//! the store, under the store's lock.
//! It does not know who is allowed to read: whoever holds the trail may.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{
    encode,
    entry::Entry,
    error::{AuditError, AuditIntegrityError},
    event::AuditEvent,
    event_type::AuditEventType,
    head::ChainHead,
    keys::{PayloadKeys, SubjectKeys, subject},
    lta1::Record,
    prepare::{Redactor, prepare},
    record::{AuditId, AuditRecord},
    seal::{data_subject, empty_head, seal},
    store::{AuditStore, Change},
};
use crate::{
    clock::Clock,
    id::TenantId,
    unit::{UnitOfWork, UnitSession},
};

/// Bulk records that may wait, unless the trail is told otherwise.
const WAITING: u64 = 100_000;

/// The trail of one tenant. Clones are the same trail.
#[derive(Clone, Debug)]
pub struct AuditTrail {
    pub(super) store: Arc<dyn AuditStore>,
    pub(super) tenant: TenantId,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Arc<TrailOptions>,
}

/// How a trail records.
#[derive(Clone, Debug)]
pub struct TrailOptions {
    /// Run over each event before it is hashed.
    pub redactors: Vec<Arc<dyn Redactor>>,
    /// Keys under which the keys of persons lie. Without them payloads are blinded, and cannot be erased by person.
    pub payload_keys: Option<PayloadKeys>,
    /// Keys that will sign checkpoints, written into the genesis record.
    pub verifier_keys: Vec<String>,
    /// How long records are kept, written into the genesis record. Without it nothing may be pruned.
    pub retention_days: Option<u32>,
    /// How many bulk records may wait before more are refused.
    pub max_waiting: u64,
}

impl Default for TrailOptions {
    fn default() -> Self {
        Self {
            redactors: Vec::new(),
            payload_keys: None,
            verifier_keys: Vec::new(),
            retention_days: None,
            max_waiting: WAITING,
        }
    }
}

impl AuditTrail {
    /// The trail of `tenant` in `store`.
    pub fn new(store: Arc<dyn AuditStore>, tenant: TenantId, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            tenant,
            clock,
            options: Arc::default(),
        }
    }

    /// The same trail, recording as `options` say.
    #[must_use]
    pub fn with_options(mut self, options: TrailOptions) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// Whose trail it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Begins the log, when there is none. `log` does so by itself.
    pub async fn initialize(&self) -> Result<ChainHead, AuditError> {
        let mut session = self.store.session(&self.tenant).await?;
        let mut unit = session.begin().await?;
        self.append_prepared(&mut unit, Vec::new(), false).await?;
        unit.commit().await?;
        let head = self.store.head(&self.tenant).await?;
        head.ok_or_else(|| AuditError::storage("the log that was begun is not there"))
    }

    /// Records `event`, and returns its record when that is durable. An event whose id is recorded already gives that
    /// record again.
    pub async fn log(&self, event: AuditEvent) -> Result<AuditRecord, AuditError> {
        let mut records = self.log_all(vec![event]).await?;
        let lost = || AuditError::storage("the record of an event was not returned");
        records.pop().ok_or_else(lost)
    }

    /// Records `events` in their order, all or none. Returns their records in that order.
    pub async fn log_all(&self, events: Vec<AuditEvent>) -> Result<Vec<AuditRecord>, AuditError> {
        let mut session = self.store.session(&self.tenant).await?;
        let mut unit = session.begin().await?;
        let records = self.append_in(&mut unit, events).await?;
        unit.commit().await?;
        Ok(records)
    }

    /// The right to begin units whose changes this trail records: `session.begin()`, then `unit.audit(event)`.
    pub async fn session(&self) -> Result<UnitSession<'_>, AuditError> {
        let session = self.store.session(&self.tenant).await?;
        Ok(session.recorded_by(self.clone()))
    }

    /// Puts `event` where it waits to be appended, durably; for what happens often.
    pub async fn log_later(&self, event: AuditEvent) -> Result<(), AuditError> {
        let mut session = self.store.session(&self.tenant).await?;
        let mut unit = session.begin().await?;
        self.enqueue_in(&mut unit, vec![event]).await?;
        unit.commit().await.map(drop)
    }

    /// Appends everything that waits. Returns how much it was.
    pub async fn flush(&self) -> Result<u64, AuditError> {
        let mut drained = 0;
        loop {
            let piece = self.drain(super::sequencer::BATCH).await?;
            drained += piece;
            if piece < u64::from(super::sequencer::BATCH) {
                return Ok(drained);
            }
        }
    }

    pub(super) async fn drain(&self, limit: u32) -> Result<u64, AuditError> {
        if self.store.waiting(&self.tenant).await? == 0 {
            return Ok(0);
        }
        let mut session = self.store.session(&self.tenant).await?;
        let mut unit = session.begin().await?;
        // Of several that drain, one at a time: so events stay in order, and who waited sees them appended.
        self.store.lock_head(&mut unit).await?;
        let events = self.store.drain_in(&mut unit, limit).await?;
        let drained = events.len() as u64;
        if drained > 0 {
            self.append_prepared(&mut unit, events, true).await?;
            unit.commit().await?;
        }
        Ok(drained)
    }

    /// Puts `events` where they wait, in the caller's unit. After an error the unit must not be committed.
    pub(crate) async fn enqueue_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        events: Vec<AuditEvent>,
    ) -> Result<(), AuditError> {
        let prepared = self.prepared(events)?;
        let more = prepared.len() as u64;
        let waiting = self.store.queue_in(unit, prepared).await?;
        if waiting > self.options.max_waiting {
            return Err(AuditError::Backpressure {
                tenant: self.tenant.clone(),
                waiting: waiting - more,
            });
        }
        Ok(())
    }

    /// Appends `events` in the caller's unit, as the last thing before it is committed.
    pub(crate) async fn append_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        events: Vec<AuditEvent>,
    ) -> Result<Vec<AuditRecord>, AuditError> {
        // An id that is made here is recorded nowhere yet.
        let known = events.iter().any(|it| it.id.is_some());
        let prepared = self.prepared(events)?;
        self.append_prepared(unit, prepared, known).await
    }

    fn prepared(&self, events: Vec<AuditEvent>) -> Result<Vec<AuditEvent>, AuditError> {
        let prepare = |event: AuditEvent| {
            if event.event_type().is_of_the_log() && event.attributes.is_empty() {
                return Err(AuditError::Event {
                    id: event.id.unwrap_or(AuditId([0; 16])),
                    reason: format!("`{}` is written by the log alone", event.event_type()),
                });
            }
            prepare(event, &*self.clock, &self.options.redactors)
        };
        events.into_iter().map(prepare).collect()
    }

    /// Locks the end of the log, leaves out what is recorded already, where that is possible, seals the rest and hands it
    /// to the store.
    async fn append_prepared(
        &self,
        unit: &mut UnitOfWork<'_>,
        mut events: Vec<AuditEvent>,
        maybe_recorded: bool,
    ) -> Result<Vec<AuditRecord>, AuditError> {
        if *unit.tenant() != self.tenant {
            return Err(AuditError::ForeignUnit {
                unit: unit.tenant().clone(),
                tenant: self.tenant.clone(),
            });
        }
        let expected = self.store.lock_head(unit).await?;
        let mut head = match &expected {
            Some(head) => head.clone(),
            None => empty_head(self.store.deployment())?,
        };
        let asked: Vec<AuditId> = match maybe_recorded {
            true => events.iter().filter_map(|it| it.id).collect(),
            false => Vec::new(),
        };
        let known = match expected {
            Some(_) if maybe_recorded => self.store.recorded_in(unit, &asked).await?,
            _ => Vec::new(),
        };
        if maybe_recorded {
            let mut fresh: BTreeSet<AuditId> = asked.iter().copied().collect();
            for entry in &known {
                fresh.remove(&entry.event_id);
            }
            events.retain(|it| it.id.is_some_and(|id| fresh.remove(&id)));
        }
        if expected.is_none() {
            events.insert(0, self.genesis()?);
        }
        let keys = self.keys_for(unit, &head, &events).await?;
        let (mut records, entries) = seal(&mut head, &self.tenant, events, &keys)?;
        if !entries.is_empty() {
            self.store
                .append_in(unit, expected.as_ref(), &head, entries)
                .await?;
        }
        if expected.is_none() {
            records.remove(0);
        }
        if !maybe_recorded || records.len() == asked.len() {
            return Ok(records);
        }
        // Some were recorded before, or came twice: each place gets the one record of its event.
        for entry in &known {
            records.push(self.opened(entry, &keys)?);
        }
        let find = |id: &AuditId| records.iter().find(|it| it.record_id() == *id).cloned();
        Ok(asked.iter().filter_map(find).collect())
    }

    fn genesis(&self) -> Result<AuditEvent, AuditError> {
        let about = json!({
            "format": "LTA1", "verifier_keys": self.options.verifier_keys, "retention_days": self.options.retention_days,
        });
        let event = AuditEvent::new(AuditEventType::LogGenesis)
            .with_attribute("alg", "sha256")
            .with_attribute("fmt", "LTA1")
            .with_metadata(about.as_object().cloned().unwrap_or_default());
        prepare(event, &*self.clock, &[])
    }

    /// The keys of the persons `events` are about; those that are missing are made, in this unit.
    async fn keys_for(
        &self,
        unit: &mut UnitOfWork<'_>,
        head: &ChainHead,
        events: &[AuditEvent],
    ) -> Result<SubjectKeys, AuditError> {
        let Some(keys) = &self.options.payload_keys else {
            return Ok(SubjectKeys::default());
        };
        let persons = events
            .iter()
            .filter(|it| !it.event_type().is_of_the_log())
            .filter_map(|it| data_subject(&it.data_subject, &it.details));
        let wanted: BTreeSet<String> = persons.map(|it| subject(head, it).to_string()).collect();
        if wanted.is_empty() {
            return Ok(SubjectKeys::default());
        }
        let wanted: Vec<String> = wanted.into_iter().collect();
        let mut stored = self.store.keys_in(unit, &wanted).await?;
        let missing = wanted
            .iter()
            .filter(|it| stored.iter().all(|key| key.subject != **it));
        let made = missing
            .map(|it| keys.generate(it))
            .collect::<Result<Vec<_>, _>>()?;
        if !made.is_empty() {
            stored.extend(made.iter().cloned());
            self.store.change_in(unit, Change::PutKeys(made)).await?;
        }
        Ok(SubjectKeys::open(Some(keys), stored))
    }

    /// The record of `entry`, with its payload when that is there and its key is at hand.
    pub(super) fn opened(
        &self,
        entry: &Entry,
        keys: &SubjectKeys,
    ) -> Result<AuditRecord, AuditError> {
        let bad = |message: &str| AuditIntegrityError::new(message, vec![entry.seq]);
        let body = Record::decode(&entry.body).map_err(|fault| bad(&fault.to_string()))?;
        let plain = entry.payload.as_ref().and_then(|payload| {
            let event = AuditId(body.event_id);
            Some((payload, keys.unseal(body.origin, event, payload)?))
        });
        let record = match plain {
            Some((payload, plain)) => encode::read(&body, entry.leaf, &plain, payload),
            None => encode::without_payload(&body, entry.leaf, Some(&self.tenant)),
        };
        Ok(record.ok_or_else(|| bad("the payload is not that of the record"))?)
    }
}
