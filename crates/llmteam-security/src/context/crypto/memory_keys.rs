//! Tenants' keys in memory, for tests and for hosts that are given them at start.
//!
//! Invariant: a key is gone with its process; nothing of it is written anywhere.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    dek::WrappedDek,
    error::KeyError,
    kek::{DekBytes, KekRing, KekVersion, KeyProvider, WrapContext},
};
use crate::id::TenantId;

/// Keys in memory.
#[derive(Default)]
pub struct MemoryKeys(Mutex<BTreeMap<TenantId, KekRing>>);

impl MemoryKeys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a random key for `tenant`.
    ///
    /// # Errors
    /// [`KeyError::Exists`], [`KeyError::Random`].
    pub fn create(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        let mut rings = self.rings();
        if rings.contains_key(tenant) {
            return Err(KeyError::Exists {
                tenant: tenant.clone(),
                place: "memory".to_owned(),
            });
        }
        rings.insert(tenant.clone(), KekRing::generate()?);
        Ok(KekVersion(1))
    }

    /// Destroys the tenant's key, all versions: what it wraps cannot be opened any more.
    pub fn destroy(&self, tenant: &TenantId) {
        self.rings().remove(tenant);
    }

    fn rings(&self) -> MutexGuard<'_, BTreeMap<TenantId, KekRing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        tenant: &TenantId,
        act: impl FnOnce(&mut KekRing) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let mut rings = self.rings();
        let ring = rings.get_mut(tenant).ok_or_else(|| KeyError::Missing {
            tenant: tenant.clone(),
            place: "memory".to_owned(),
        })?;
        act(ring)
    }
}

impl fmt::Debug for MemoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryKeys").field(&"***").finish()
    }
}

#[async_trait]
impl KeyProvider for MemoryKeys {
    async fn wrap(&self, context: WrapContext<'_>, dek: &DekBytes) -> Result<WrappedDek, KeyError> {
        self.with(context.tenant, |ring| ring.wrap(context, dek))
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &WrappedDek,
    ) -> Result<DekBytes, KeyError> {
        self.with(context.tenant, |ring| ring.unwrap(context, wrapped))
    }

    async fn current(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.with(tenant, |ring| {
            ring.current().ok_or_else(|| KeyError::Missing {
                tenant: tenant.clone(),
                place: "memory".to_owned(),
            })
        })
    }

    async fn rotate(&self, tenant: &TenantId) -> Result<KekVersion, KeyError> {
        self.with(tenant, |ring| Ok(ring.rotate()?))
    }

    async fn retire(&self, tenant: &TenantId, version: KekVersion) -> Result<(), KeyError> {
        self.with(tenant, |ring| ring.retire(tenant, version))
    }
}
