//! Licences of tenants, where a host sells to each of its own.
//!
//! Invariant: a tenant is held to its own licence, and to the host's where it has none; never to another tenant's.
//! This file does not know what tenants do.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use llmteam_security::TenantId;

use super::manager::LicenseManager;

/// Which licence counts for which tenant. Share it by `Arc`.
#[derive(Debug, Default)]
pub struct TenantLicenses {
    host: LicenseManager,
    tenants: RwLock<BTreeMap<TenantId, LicenseManager>>,
}

impl TenantLicenses {
    /// Every tenant is held to the licence of the host, until it has its own.
    pub fn new(host: LicenseManager) -> Self {
        let tenants = RwLock::default();
        Self { host, tenants }
    }

    /// From now on the tenant is held to `license`. Gives what it was held to, if that was its own.
    pub fn set(&self, tenant: TenantId, license: LicenseManager) -> Option<LicenseManager> {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.insert(tenant, license)
    }

    /// The tenant is held to the licence of the host again. Gives its own, if it had one.
    pub fn remove(&self, tenant: &TenantId) -> Option<LicenseManager> {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.remove(tenant)
    }

    /// What the tenant is held to.
    pub fn get(&self, tenant: &TenantId) -> LicenseManager {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant).unwrap_or(&self.host).clone()
    }
}
