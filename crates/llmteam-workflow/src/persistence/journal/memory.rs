//! The journal in memory: for tests, and for runs that need not outlive the process.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use async_trait::async_trait;
use llmteam_security::{
    audit::{AuditEvent, AuditTrails},
    clock::Timestamp,
    id::{RunId, SegmentId, TenantId},
};

use super::{BoundStart, Journal, JournalEntry, JournalVersion, StartKey, check_batch};
use crate::persistence::{
    error::JournalError,
    lease::{Lease, Owner},
    run::{NewRun, RunFilter, RunRow, RunState, RunUpdate},
};

/// A journal that is gone with its last handle. Clones share one.
#[derive(Clone, Default)]
pub struct MemoryJournal {
    shared: Arc<Mutex<Tables>>,
    trails: Option<AuditTrails>,
}

#[derive(Default)]
struct Tables {
    keys: HashMap<(TenantId, RunId), i64>,
    /// By key: in the order of their creation.
    runs: BTreeMap<i64, Run>,
    definitions: HashMap<(TenantId, String), String>,
    starts: HashMap<(TenantId, SegmentId, String), (BoundStart, Timestamp)>,
}

struct Run {
    row: RunRow,
    entries: Vec<JournalEntry>,
}

impl MemoryJournal {
    /// The same journal, which records in `trails` what its runs say, before it keeps what they did.
    #[must_use]
    pub fn audited(self, trails: AuditTrails) -> Self {
        Self {
            trails: Some(trails),
            ..self
        }
    }

    async fn record(&self, tenant: &TenantId, events: Vec<AuditEvent>) -> Result<(), JournalError> {
        match &self.trails {
            Some(trails) if !events.is_empty() => {
                let recorded = trails.of(tenant).log_all(events).await;
                recorded
                    .map(drop)
                    .map_err(|error| JournalError::Unavailable(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn run(&self, tenant: &TenantId, run: &RunId) -> Option<(i64, &Run)> {
        let key = *self.keys.get(&(tenant.clone(), run.clone()))?;
        Some((key, self.runs.get(&key)?))
    }

    fn owned(&mut self, lease: &Lease) -> Result<&mut Run, JournalError> {
        let run = || lease.run.clone();
        let found = self
            .runs
            .get_mut(&lease.key)
            .ok_or_else(|| JournalError::RunNotFound { run: run() })?;
        if found.row.epoch != lease.epoch {
            let epoch = lease.epoch;
            return Err(JournalError::Fenced { run: run(), epoch });
        }
        if found.row.state.is_final() {
            return Err(JournalError::RunEnded { run: run() });
        }
        Ok(found)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn create(
        &self,
        run: NewRun,
        owner: &Owner,
        first: Vec<JournalEntry>,
    ) -> Result<Lease, JournalError> {
        check_batch(&run.run, 0, &first)?;
        let id = (run.tenant.clone(), run.run.clone());
        if self.lock().keys.contains_key(&id) {
            return Err(JournalError::RunExists { run: run.run });
        }
        self.record(&run.tenant, run.audit).await?;
        let mut tables = self.lock();
        if tables.keys.contains_key(&id) {
            return Err(JournalError::RunExists { run: run.run });
        }
        let key = tables.runs.last_key_value().map_or(1, |(last, _)| last + 1);
        let row = RunRow {
            state: if first.is_empty() {
                RunState::Pending
            } else {
                RunState::Running
            },
            summary: None,
            wake_at: None,
            updated_at: first.last().map_or(run.started_at, |it| it.time),
            next_index: first.len() as u64,
            epoch: 1,
            idle_claims: 0,
            owner: Some(owner.clone()),
            version: JournalVersion::CURRENT,
            tenant: run.tenant.clone(),
            instance: run.instance,
            run: run.run.clone(),
            segment: run.segment,
            definition: run.definition,
            started_at: run.started_at,
            parent: run.parent,
        };
        let entries = first;
        tables.keys.insert(id, key);
        tables.runs.insert(key, Run { row, entries });
        Ok(Lease::new(run.tenant, run.run, 1, key))
    }

    async fn append(
        &self,
        lease: &Lease,
        batch: Vec<JournalEntry>,
        update: RunUpdate,
    ) -> Result<(), JournalError> {
        let next = self.lock().owned(lease)?.row.next_index;
        check_batch(&lease.run, next, &batch)?;
        self.record(&lease.tenant, update.audit).await?;
        let mut tables = self.lock();
        let run = tables.owned(lease)?;
        check_batch(&lease.run, run.row.next_index, &batch)?;
        if let Some(last) = batch.last() {
            run.row.updated_at = last.time;
            run.row.next_index = last.index + 1;
            run.row.idle_claims = 0;
        }
        run.row.state = update.state;
        run.row.summary = update.summary;
        run.row.wake_at = update.wake_at;
        run.entries.extend(batch);
        if update.state.is_final() {
            run.row.owner = None;
            lease.ended.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn audits(&self) -> bool {
        self.trails.is_some()
    }

    async fn read(
        &self,
        tenant: &TenantId,
        run: &RunId,
        from: u64,
    ) -> Result<Vec<JournalEntry>, JournalError> {
        let tables = self.lock();
        let (_, found) = tables
            .run(tenant, run)
            .ok_or_else(|| JournalError::RunNotFound { run: run.clone() })?;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(found.entries.get(from..).unwrap_or_default().to_vec())
    }

    async fn claim(
        &self,
        tenant: &TenantId,
        run: &RunId,
        owner: &Owner,
    ) -> Result<Lease, JournalError> {
        let mut tables = self.lock();
        let key = tables.keys.get(&(tenant.clone(), run.clone())).copied();
        let found = key
            .and_then(|key| tables.runs.get_mut(&key).map(|it| (key, &mut it.row)))
            .ok_or_else(|| JournalError::RunNotFound { run: run.clone() });
        let (key, row) = found?;
        owner.may_follow(row.owner.as_ref(), run)?;
        row.owner = Some(owner.clone());
        row.epoch += 1;
        row.idle_claims = row.idle_claims.saturating_add(1);
        Ok(Lease::new(tenant.clone(), run.clone(), row.epoch, key))
    }

    async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        let mut tables = self.lock();
        if let Some(run) = tables.runs.get_mut(&lease.key)
            && run.row.epoch == lease.epoch
        {
            run.row.owner = None;
        }
        Ok(())
    }

    async fn run(&self, tenant: &TenantId, run: &RunId) -> Result<Option<RunRow>, JournalError> {
        Ok(self.lock().run(tenant, run).map(|(_, it)| it.row.clone()))
    }

    async fn runs(
        &self,
        tenant: &TenantId,
        filter: RunFilter,
    ) -> Result<Vec<RunRow>, JournalError> {
        let tables = self.lock();
        let end = match &filter.before {
            None => i64::MAX,
            Some(before) => match tables.run(tenant, before) {
                Some((key, _)) => key,
                None => return Ok(Vec::new()),
            },
        };
        let rows = tables.runs.range(..end).rev().map(|(_, it)| &it.row);
        let rows = rows.filter(|row| row.tenant == *tenant && filter.takes(row));
        Ok(rows.take(filter.limit).cloned().collect())
    }

    async fn put_definition(
        &self,
        tenant: &TenantId,
        hash: &str,
        body: &str,
    ) -> Result<(), JournalError> {
        let key = (tenant.clone(), hash.to_owned());
        self.lock()
            .definitions
            .entry(key)
            .or_insert_with(|| body.to_owned());
        Ok(())
    }

    async fn bind_start(&self, start: &StartKey) -> Result<BoundStart, JournalError> {
        let key = (
            start.tenant.clone(),
            start.segment.clone(),
            start.key.clone(),
        );
        let starts = &mut self.lock().starts;
        let free = starts.get(&key).is_none_or(|(_, until)| *until <= start.at);
        if free {
            let bound = BoundStart {
                run: start.run.clone(),
                input_hash: start.input_hash.clone(),
            };
            starts.insert(key, (bound.clone(), start.until));
            return Ok(bound);
        }
        let (bound, _) = &starts[&key];
        Ok(bound.clone())
    }

    async fn definition(
        &self,
        tenant: &TenantId,
        hash: &str,
    ) -> Result<Option<String>, JournalError> {
        let key = (tenant.clone(), hash.to_owned());
        Ok(self.lock().definitions.get(&key).cloned())
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.lock().runs.len();
        f.debug_struct("MemoryJournal")
            .field("runs", &runs)
            .finish_non_exhaustive()
    }
}
