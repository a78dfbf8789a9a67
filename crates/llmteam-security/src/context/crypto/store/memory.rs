//! Wrapped data keys in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{DekStore, Inserted};
use crate::{
    clock::Timestamp,
    context::crypto::{
        dek::{DekId, DekRecord, DekState, WrappedDek},
        error::DekStoreError,
        kek::KekVersion,
    },
    id::{RunId, TenantId},
};

/// Data keys that are gone with the process.
#[derive(Debug, Default)]
pub struct MemoryDekStore(Mutex<BTreeMap<TenantId, Keys>>);

/// The keys of one tenant.
#[derive(Debug, Default)]
struct Keys {
    by_name: BTreeMap<DekId, DekRecord>,
    by_run: BTreeMap<RunId, DekId>,
    /// Versions up to this one are closed.
    closed: u32,
}

impl Keys {
    fn of_run(&self, run: &RunId) -> Option<&DekRecord> {
        self.by_run.get(run).and_then(|id| self.by_name.get(id))
    }
}

impl MemoryDekStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tenants(&self) -> MutexGuard<'_, BTreeMap<TenantId, Keys>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DekStore for MemoryDekStore {
    async fn insert(&self, record: &DekRecord) -> Result<Inserted, DekStoreError> {
        let mut tenants = self.tenants();
        let keys = tenants.entry(record.tenant.clone()).or_default();
        if let Some(other) = keys.of_run(&record.run) {
            return Ok(Inserted::RunHasOne(Box::new(other.clone())));
        }
        if record.wrapped().is_none_or(|it| it.kek.0 <= keys.closed) {
            return Ok(Inserted::KekRetired);
        }
        if keys.by_name.contains_key(&record.id) {
            let taken = format!("data key `{}` exists", record.id);
            return Err(DekStoreError::Unavailable(taken));
        }
        keys.by_run.insert(record.run.clone(), record.id);
        keys.by_name.insert(record.id, record.clone());
        Ok(Inserted::Stored)
    }

    async fn of_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<DekRecord>, DekStoreError> {
        let tenants = self.tenants();
        Ok(tenants
            .get(tenant)
            .and_then(|keys| keys.of_run(run))
            .cloned())
    }

    async fn get(&self, tenant: &TenantId, id: DekId) -> Result<Option<DekRecord>, DekStoreError> {
        let tenants = self.tenants();
        Ok(tenants
            .get(tenant)
            .and_then(|keys| keys.by_name.get(&id))
            .cloned())
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        id: DekId,
        from: KekVersion,
        to: &WrappedDek,
    ) -> Result<bool, DekStoreError> {
        let mut tenants = self.tenants();
        let keys = tenants
            .get_mut(tenant)
            .filter(|keys| to.kek.0 > keys.closed);
        let state = keys.and_then(|keys| Some(&mut keys.by_name.get_mut(&id)?.state));
        match state {
            Some(DekState::Live(wrapped)) if wrapped.kek == from => {
                *wrapped = to.clone();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn below(
        &self,
        tenant: &TenantId,
        version: KekVersion,
        after: Option<DekId>,
        limit: usize,
    ) -> Result<Vec<DekRecord>, DekStoreError> {
        let tenants = self.tenants();
        let records = tenants
            .get(tenant)
            .into_iter()
            .flat_map(|keys| keys.by_name.values());
        let wanted = records.filter(|record| {
            after.is_none_or(|after| record.id > after)
                && record.wrapped().is_some_and(|it| it.kek < version)
        });
        Ok(wanted.take(limit).cloned().collect())
    }

    async fn shred(
        &self,
        tenant: &TenantId,
        run: &RunId,
        at: Timestamp,
    ) -> Result<bool, DekStoreError> {
        let mut tenants = self.tenants();
        let record = tenants.get_mut(tenant).and_then(|keys| {
            let id = keys.by_run.get(run)?;
            keys.by_name.get_mut(id)
        });
        match record {
            Some(record) if record.wrapped().is_some() => {
                record.state = DekState::Shredded { at };
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn close(&self, tenant: &TenantId, version: KekVersion) -> Result<u64, DekStoreError> {
        let mut tenants = self.tenants();
        let keys = tenants.entry(tenant.clone()).or_default();
        let used = |record: &&DekRecord| record.wrapped().is_some_and(|it| it.kek <= version);
        let count = keys.by_name.values().filter(used).count();
        if count == 0 {
            keys.closed = keys.closed.max(version.0);
        }
        Ok(count as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::crypto::store::contract;

    #[tokio::test]
    async fn memory_keeps_the_contract() {
        contract::check(&MemoryDekStore::new()).await;
    }
}
