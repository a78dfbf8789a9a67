//! Tenants in memory.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Tenant, TenantFilter, TenantStore, record, transition};
use crate::{
    audit::{Actor, AuditEvent, AuditTrails},
    clock::Timestamp,
    id::TenantId,
    tenancy::{TenantConfig, TenantError},
    unit::{MemoryDatabase, UnitSession},
};

/// Tenants in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryTenantStore {
    /// A purged tenant has left its id alone.
    tenants: Arc<Mutex<Tenants>>,
    /// One change at a time, so that a record stands for what was there when it was made.
    database: MemoryDatabase,
    trails: Option<AuditTrails>,
}

type Tenants = BTreeMap<TenantId, Option<Tenant>>;

impl MemoryTenantStore {
    /// The same tenants; from now on a change and its record in `trails` are one.
    #[must_use]
    pub fn audited(self, trails: AuditTrails) -> Self {
        Self {
            trails: Some(trails),
            ..self
        }
    }

    /// Forgets everything, ids included.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what `next` makes of a tenant in its place, with the record of it.
    async fn change(
        &self,
        id: &TenantId,
        next: impl FnOnce(&Tenants) -> Result<(Tenant, AuditEvent), TenantError> + Send,
    ) -> Result<Tenant, TenantError> {
        let session = UnitSession::memory(id.clone(), &self.database);
        let mut session = match &self.trails {
            Some(trails) => session.recorded_by(trails.of(id)),
            None => session,
        };
        let mut unit = session.begin().await?;
        let (tenant, event) = next(&self.lock())?;
        let (tenants, id, made) = (Arc::clone(&self.tenants), id.clone(), tenant.clone());
        let put = move || {
            let mut tenants = tenants.lock().unwrap_or_else(PoisonError::into_inner);
            tenants.insert(id, Some(made));
        };
        if !unit.stage(put) {
            return Err(TenantError::Store(
                "the unit of work is of another database".to_owned(),
            ));
        }
        if self.trails.is_some() {
            unit.audit(event);
        }
        unit.commit().await?;
        Ok(tenant)
    }

    /// Replaces the stored tenant by what `next` makes of it.
    async fn replace(
        &self,
        id: &TenantId,
        by: &Actor,
        next: impl FnOnce(&Tenant) -> Result<Tenant, TenantError> + Send,
    ) -> Result<Tenant, TenantError> {
        let change = |tenants: &Tenants| {
            let stored = tenants.get(id).and_then(Option::as_ref);
            let stored = stored.ok_or_else(|| transition::not_found(id))?;
            let changed = next(stored)?;
            let event = record::changed(stored, &changed, by);
            Ok((changed, event))
        };
        self.change(id, change).await
    }
}

#[async_trait]
impl TenantStore for MemoryTenantStore {
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, TenantError> {
        Ok(self.lock().get(id).cloned().flatten())
    }

    async fn create(&self, config: &TenantConfig, by: &Actor) -> Result<Tenant, TenantError> {
        config.check()?;
        let create = |tenants: &Tenants| {
            if tenants.contains_key(&config.tenant_id) {
                return Err(TenantError::AlreadyExists {
                    tenant_id: config.tenant_id.clone(),
                });
            }
            let created = transition::created(config);
            let event = record::created(&created, by);
            Ok((created, event))
        };
        self.change(&config.tenant_id, create).await
    }

    async fn update(
        &self,
        config: &TenantConfig,
        version: u64,
        by: &Actor,
    ) -> Result<Tenant, TenantError> {
        config.check()?;
        let next = |stored: &Tenant| transition::updated(stored, config, version);
        self.replace(&config.tenant_id, by, next).await
    }

    async fn delete(
        &self,
        id: &TenantId,
        at: Timestamp,
        by: &Actor,
    ) -> Result<Tenant, TenantError> {
        self.replace(id, by, |stored| transition::deleted(stored, at))
            .await
    }

    async fn purge(&self, id: &TenantId, _at: Timestamp) -> Result<(), TenantError> {
        let mut tenants = self.lock();
        let stored = tenants
            .get_mut(id)
            .ok_or_else(|| transition::not_found(id))?;
        if let Some(tenant) = stored {
            transition::purgeable(tenant)?;
        }
        *stored = None;
        Ok(())
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Tenant>, TenantError> {
        let tenants = self.lock();
        let mut listed: Vec<_> = tenants.values().flatten().collect();
        listed.retain(|tenant| filter.admits(tenant));
        // The map is ordered by id, and this sort keeps that order among equals.
        listed.sort_by_key(|tenant| Reverse(tenant.config.created_at));
        let page = listed
            .into_iter()
            .skip(offset as usize)
            .take(limit as usize);
        Ok(page.cloned().collect())
    }

    async fn count(&self, filter: &TenantFilter) -> Result<u64, TenantError> {
        let tenants = self.lock();
        let counted = tenants.values().flatten().filter(|it| filter.admits(it));
        Ok(counted.count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::MemoryAuditStore, clock::SystemClock};

    #[tokio::test]
    async fn it_keeps_the_contract() {
        super::super::contract::check(Arc::new(MemoryTenantStore::default())).await;
    }

    #[tokio::test]
    async fn each_change_is_recorded_in_its_commit() {
        let audit = Arc::new(MemoryAuditStore::new().unwrap());
        let trails = AuditTrails::new(audit, Arc::new(SystemClock));
        let store = MemoryTenantStore::default().audited(trails.clone());
        super::super::contract::each_change_is_recorded(&store, &trails).await;
    }
}
