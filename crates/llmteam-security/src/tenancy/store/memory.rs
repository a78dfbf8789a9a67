//! Tenants in memory.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Tenant, TenantFilter, TenantStore, transition};
use crate::{
    clock::Timestamp,
    id::TenantId,
    tenancy::{TenantConfig, TenantError},
};

/// Tenants in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryTenantStore {
    /// A purged tenant has left its id alone.
    tenants: Arc<Mutex<BTreeMap<TenantId, Option<Tenant>>>>,
}

impl MemoryTenantStore {
    /// Forgets everything, ids included.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TenantId, Option<Tenant>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(
        &self,
        id: &TenantId,
        next: impl FnOnce(&Tenant) -> Result<Tenant, TenantError>,
    ) -> Result<Tenant, TenantError> {
        let mut tenants = self.lock();
        let Some(Some(stored)) = tenants.get_mut(id) else {
            return Err(transition::not_found(id));
        };
        *stored = next(stored)?;
        Ok(stored.clone())
    }
}

#[async_trait]
impl TenantStore for MemoryTenantStore {
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, TenantError> {
        Ok(self.lock().get(id).cloned().flatten())
    }

    async fn create(&self, config: &TenantConfig) -> Result<Tenant, TenantError> {
        config.check()?;
        let mut tenants = self.lock();
        if tenants.contains_key(&config.tenant_id) {
            return Err(TenantError::AlreadyExists {
                tenant_id: config.tenant_id.clone(),
            });
        }
        let tenant = transition::created(config);
        tenants.insert(config.tenant_id.clone(), Some(tenant.clone()));
        Ok(tenant)
    }

    async fn update(&self, config: &TenantConfig, version: u64) -> Result<Tenant, TenantError> {
        config.check()?;
        self.change(&config.tenant_id, |stored| {
            transition::updated(stored, config, version)
        })
    }

    async fn delete(&self, id: &TenantId, at: Timestamp) -> Result<Tenant, TenantError> {
        self.change(id, |stored| transition::deleted(stored, at))
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

    #[tokio::test]
    async fn it_keeps_the_contract() {
        super::super::contract::check(Arc::new(MemoryTenantStore::default())).await;
    }
}
