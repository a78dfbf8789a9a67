//! Logs in memory, for tests and for what needs no trail after its end.
//!
//! Invariant: a log that is full refuses; nothing is ever evicted, and no tenant's records cost another's.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{AuditStore, Change, Scan, continues, foreign};
use crate::{
    audit::{
        entry::Entry, error::AuditError, event::AuditEvent, hash::Digest, head::ChainHead,
        keys::StoredKey, query::OrderBy, random, record::AuditId,
    },
    id::TenantId,
    unit::{MemoryDatabase, UnitOfWork, UnitSession},
};

/// Records of a log unless the store is told otherwise.
const DEFAULT_CAP: u64 = 1_000_000;

/// Logs in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryAuditStore {
    database: MemoryDatabase,
    deployment: Arc<str>,
    cap: u64,
    logs: Arc<Mutex<HashMap<TenantId, Log>>>,
}

#[derive(Debug, Default)]
struct Log {
    head: Option<ChainHead>,
    /// Hashes of the records before those in `entries`.
    pruned: Vec<Digest>,
    entries: VecDeque<Entry>,
    numbers: HashMap<AuditId, u64>,
    keys: Vec<StoredKey>,
    queue: VecDeque<AuditEvent>,
}

impl MemoryAuditStore {
    /// A store of its own.
    pub fn new() -> Result<Self, AuditError> {
        Self::on(MemoryDatabase::default())
    }

    /// A store whose units are those of `database`.
    pub fn on(database: MemoryDatabase) -> Result<Self, AuditError> {
        let name: [u8; 8] = random::bytes()?;
        Ok(Self {
            database,
            deployment: format!("local-{}", data_encoding::HEXLOWER.encode(&name)).into(),
            cap: DEFAULT_CAP,
            logs: Arc::default(),
        })
    }

    /// The same store, refusing more than `cap` records of a tenant.
    #[must_use]
    pub fn with_cap(mut self, cap: u64) -> Self {
        self.cap = cap;
        self
    }

    /// How many records `tenant` has, the genesis record not counted.
    pub fn count(&self, tenant: &TenantId) -> u64 {
        let logs = self.lock();
        let head = logs.get(tenant).and_then(|log| log.head.as_ref());
        head.map_or(0, ChainHead::last_sequence)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Default>(&self, tenant: &TenantId, look: impl FnOnce(&Log) -> T) -> T {
        self.lock().get(tenant).map(look).unwrap_or_default()
    }

    /// Changes the log of the unit's tenant when the unit is committed.
    fn stage(
        &self,
        unit: &mut UnitOfWork<'_>,
        change: impl FnOnce(&mut Log) + Send + 'static,
    ) -> Result<(), AuditError> {
        let (logs, tenant) = (Arc::clone(&self.logs), unit.tenant().clone());
        let staged = unit.stage(move || {
            let mut logs = logs.lock().unwrap_or_else(PoisonError::into_inner);
            change(logs.entry(tenant).or_default());
        });
        if staged { Ok(()) } else { Err(foreign(unit)) }
    }
}

impl Log {
    fn first(&self) -> u64 {
        self.pruned.len() as u64
    }

    fn append(&mut self, head: ChainHead, batch: Vec<Entry>) {
        let numbers = batch.iter().map(|entry| (entry.event_id, entry.seq));
        self.numbers.extend(numbers);
        self.entries.extend(batch);
        self.head = Some(head);
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::PutKeys(keys) => {
                self.keys
                    .retain(|old| keys.iter().all(|new| new.dek_id != old.dek_id));
                self.keys.extend(keys);
            }
            Change::EraseKeys(ids) => self.keys.retain(|key| !ids.contains(&key.dek_id)),
            Change::ErasePayloads(numbers) => {
                for entry in self
                    .entries
                    .iter_mut()
                    .filter(|it| numbers.contains(&it.seq))
                {
                    entry.payload = None;
                }
            }
            Change::Prune(below) => {
                while self.entries.front().is_some_and(|it| it.seq < below) {
                    if let Some(entry) = self.entries.pop_front() {
                        self.numbers.remove(&entry.event_id);
                        self.pruned.push(entry.leaf);
                    }
                }
                if let Some(head) = &mut self.head {
                    head.first = below;
                }
            }
        }
    }

    fn get(&self, number: u64) -> Option<&Entry> {
        let at = usize::try_from(number.checked_sub(self.first())?).ok()?;
        self.entries.get(at)
    }

    fn scan(&self, scan: &Scan) -> Vec<Entry> {
        let position = |it: &Entry| match scan.order {
            OrderBy::Timestamp => (it.ts_us.cast_signed(), it.seq),
            OrderBy::SequenceNumber => (0, it.seq),
        };
        let after = scan.after.map(|(time, number)| match scan.order {
            OrderBy::Timestamp => (time, number),
            OrderBy::SequenceNumber => (0, number),
        });
        let (start, end) = scan.sequences;
        let from = usize::try_from(start.saturating_sub(self.first())).unwrap_or(usize::MAX);
        let mut found: Vec<&Entry> = self
            .entries
            .iter()
            .skip(from)
            .take_while(|it| it.seq <= end)
            .filter(|it| {
                let time = it.ts_us.cast_signed();
                (scan.times.0..=scan.times.1).contains(&time)
            })
            .filter(|it| match after {
                Some(after) if scan.descending => position(it) < after,
                Some(after) => position(it) > after,
                None => true,
            })
            .collect();
        if scan.order == OrderBy::Timestamp {
            found.sort_by_key(|it| position(it));
        }
        if scan.descending {
            found.reverse();
        }
        found.truncate(usize::try_from(scan.limit).unwrap_or(usize::MAX));
        found.into_iter().cloned().collect()
    }
}

#[async_trait]
impl AuditStore for MemoryAuditStore {
    fn deployment(&self) -> &str {
        &self.deployment
    }

    async fn session(&self, tenant: &TenantId) -> Result<UnitSession<'_>, AuditError> {
        Ok(UnitSession::memory(tenant.clone(), &self.database))
    }

    async fn lock_head(&self, unit: &mut UnitOfWork<'_>) -> Result<Option<ChainHead>, AuditError> {
        // The unit itself is the lock.
        Ok(self.read(unit.tenant(), |log| log.head.clone()))
    }

    async fn append_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        expected: Option<&ChainHead>,
        head: &ChainHead,
        batch: Vec<Entry>,
    ) -> Result<(), AuditError> {
        let tenant = unit.tenant();
        self.read(tenant, |log| {
            Some(continues(tenant, log.head.as_ref(), expected))
        })
        .unwrap_or_else(|| continues(tenant, None, expected))?;
        let numbers = self.read(tenant, |log| {
            batch
                .iter()
                .any(|it| log.numbers.contains_key(&it.event_id))
        });
        if numbers {
            return Err(AuditError::storage("an event was recorded before"));
        }
        if head.size() > self.cap {
            return Err(AuditError::Full {
                tenant: tenant.clone(),
                cap: self.cap,
            });
        }
        let head = head.clone();
        self.stage(unit, move |log| log.append(head, batch))
    }

    async fn change_in(&self, unit: &mut UnitOfWork<'_>, change: Change) -> Result<(), AuditError> {
        self.stage(unit, move |log| log.change(change))
    }

    async fn recorded_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        ids: &[AuditId],
    ) -> Result<Vec<Entry>, AuditError> {
        Ok(self.read(unit.tenant(), |log| {
            let numbers = ids.iter().filter_map(|id| log.numbers.get(id));
            numbers.filter_map(|it| log.get(*it)).cloned().collect()
        }))
    }

    async fn keys_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        subjects: &[String],
    ) -> Result<Vec<StoredKey>, AuditError> {
        Ok(self.read(unit.tenant(), |log| {
            let keys = log.keys.iter();
            keys.filter(|key| subjects.is_empty() || subjects.contains(&key.subject))
                .cloned()
                .collect()
        }))
    }

    async fn queue_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        events: Vec<AuditEvent>,
    ) -> Result<u64, AuditError> {
        let waiting = self.read(unit.tenant(), |log| log.queue.len()) + events.len();
        self.stage(unit, move |log| log.queue.extend(events))?;
        Ok(waiting as u64)
    }

    async fn drain_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, AuditError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let events: Vec<AuditEvent> = self.read(unit.tenant(), |log| {
            log.queue.iter().take(limit).cloned().collect()
        });
        let taken = events.len();
        self.stage(unit, move |log| drop(log.queue.drain(..taken)))?;
        Ok(events)
    }

    async fn head(&self, tenant: &TenantId) -> Result<Option<ChainHead>, AuditError> {
        Ok(self.read(tenant, |log| log.head.clone()))
    }

    async fn scan(&self, tenant: &TenantId, scan: &Scan) -> Result<Vec<Entry>, AuditError> {
        Ok(self.read(tenant, |log| log.scan(scan)))
    }

    async fn leaves(
        &self,
        tenant: &TenantId,
        start: u64,
        end: u64,
    ) -> Result<Vec<Digest>, AuditError> {
        Ok(self.read(tenant, |log| {
            let all = log.pruned.iter().copied();
            let all = all.chain(log.entries.iter().map(|it| it.leaf));
            let at = |n| usize::try_from(n).unwrap_or(usize::MAX);
            all.skip(at(start))
                .take(at(end.saturating_sub(start)))
                .collect()
        }))
    }

    async fn keys(&self, tenant: &TenantId) -> Result<Vec<StoredKey>, AuditError> {
        Ok(self.read(tenant, |log| log.keys.clone()))
    }

    async fn waiting(&self, tenant: &TenantId) -> Result<u64, AuditError> {
        Ok(self.read(tenant, |log| log.queue.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{AuditEventType, AuditTrail, retention, store::contract},
        clock::SystemClock,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn memory_keeps_the_contract() {
        contract::check(Arc::new(MemoryAuditStore::new().unwrap())).await;
        retention::tests::check(Arc::new(MemoryAuditStore::new().unwrap())).await;
    }

    // covers: AUD-12
    #[tokio::test]
    async fn a_full_log_refuses_and_costs_nobody_else() {
        let store = MemoryAuditStore::new().unwrap().with_cap(3);
        let trail = |id| {
            AuditTrail::new(
                Arc::new(store.clone()),
                contract::tenant(id),
                Arc::new(SystemClock),
            )
        };
        let (a, b) = (trail("a"), trail("b"));
        for _ in 0..2 {
            a.log(AuditEvent::new(AuditEventType::DataCreated))
                .await
                .unwrap();
        }
        let error = a
            .log(AuditEvent::new(AuditEventType::DataCreated))
            .await
            .unwrap_err();
        assert!(matches!(error, AuditError::Full { cap: 3, .. }));
        assert!(a.verify_chain(1, None).await.unwrap().valid);
        b.log(AuditEvent::new(AuditEventType::DataCreated))
            .await
            .unwrap();
        assert_eq!((store.count(a.tenant()), store.count(b.tenant())), (2, 1));
    }
}
