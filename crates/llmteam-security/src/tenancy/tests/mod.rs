//! Tenancy as its users see it: one file per part, and properties over generated input.

mod context;
mod isolation;
mod manager;
mod types;

use std::sync::Arc;

use super::{MemoryAdminLog, MemoryTenantStore, TenantConfig, TenantManager, TenantTier};
use crate::{
    clock::{ManualClock, Timestamp},
    id::TenantId,
};

fn id(text: &str) -> TenantId {
    text.parse().unwrap()
}

/// A manager with its store, its clock at one second past the epoch, and its log.
struct House {
    tenants: TenantManager,
    store: Arc<MemoryTenantStore>,
    clock: ManualClock,
    log: MemoryAdminLog,
}

fn house() -> House {
    let store = Arc::new(MemoryTenantStore::default());
    let clock = ManualClock::new(Timestamp::from_micros(1_000_000));
    let log = MemoryAdminLog::default();
    let tenants = TenantManager::new(store.clone(), Arc::new(clock.clone()));
    House {
        tenants: tenants.with_admin_log(Arc::new(log.clone())),
        store,
        clock,
        log,
    }
}

impl House {
    /// Adds a tenant of the tier.
    async fn add(&self, tenant: &str, tier: TenantTier) -> super::Tenant {
        let mut config = TenantConfig::new(id(tenant), "Name");
        config.tier = tier;
        self.tenants.create_tenant(config).await.unwrap()
    }

    async fn switch_off(&self, tenant: &str) {
        let it = self.tenants.find_tenant(&id(tenant)).await.unwrap();
        let mut config = TenantConfig::clone(&it.config);
        config.is_active = false;
        self.tenants
            .update_tenant(config, it.version)
            .await
            .unwrap();
    }
}
