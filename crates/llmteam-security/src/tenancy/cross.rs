//! Administration of a shared store across tenants.
//!
//! Invariant: it takes the right to act for the installation, and every call is noted before it is carried out.

use std::sync::Arc;

use serde_json::Value;

use super::{
    admin::{AdminAction, AdminCapability},
    error::TenantError,
};
use crate::{
    id::TenantId,
    kv::{KeyCodec, KeyValueStore, PhysicalKey},
};

/// A shared store as the administrator of an installation sees it: the tenant is an argument.
///
/// Keys are those that all instances of a tenant share; [`Self::list_all`] shows those of instances too.
#[derive(Debug)]
pub struct CrossTenantStore {
    inner: Arc<dyn KeyValueStore>,
    admin: AdminCapability,
}

impl CrossTenantStore {
    /// `inner` for whoever holds `admin`.
    pub fn new(inner: Arc<dyn KeyValueStore>, admin: AdminCapability) -> Self {
        Self { inner, admin }
    }

    /// The value of a tenant's `key`.
    pub async fn get_for_tenant(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<Value>, TenantError> {
        self.note(AdminAction::ValueRead, tenant, key).await?;
        Ok(self.inner.get(&physical(tenant, key)).await?)
    }

    /// Stores a value under a tenant's `key`.
    pub async fn set_for_tenant(
        &self,
        tenant: &TenantId,
        key: &str,
        value: Value,
    ) -> Result<(), TenantError> {
        self.note(AdminAction::ValueWritten, tenant, key).await?;
        Ok(self.inner.set(&physical(tenant, key), value).await?)
    }

    /// Removes a tenant's `key` and says whether it was there.
    pub async fn delete_for_tenant(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> Result<bool, TenantError> {
        self.note(AdminAction::ValueRemoved, tenant, key).await?;
        Ok(self.inner.delete(&physical(tenant, key)).await?)
    }

    /// A tenant's keys that begin with `prefix`, in byte order.
    pub async fn list_for_tenant(
        &self,
        tenant: &TenantId,
        prefix: &str,
    ) -> Result<Vec<String>, TenantError> {
        self.note(AdminAction::KeysListed, tenant, prefix).await?;
        let codec = KeyCodec::tenant(tenant);
        let listed = self.inner.list(&codec.encode(prefix)).await?;
        let keys = listed.iter().filter_map(|key| codec.decode(key));
        let mut keys: Vec<_> = keys.filter(|key| key.starts_with(prefix)).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// The keys of all tenants and instances that begin with `prefix`, ordered by tenant, instance and key.
    pub async fn list_all(&self, prefix: &str) -> Result<Vec<PhysicalKey>, TenantError> {
        let (action, key) = (AdminAction::KeysListed, Some(prefix));
        self.admin.note(action, None, None, key).await?;
        let listed = self.inner.list("").await?;
        let keys = listed.iter().filter_map(|key| PhysicalKey::parse(key));
        let mut keys: Vec<_> = keys.filter(|it| it.key.starts_with(prefix)).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// Copies the value of `key` from one tenant to another; false when there is none. What is copied stands on its own.
    pub async fn copy_between_tenants(
        &self,
        source: &TenantId,
        target: &TenantId,
        key: &str,
    ) -> Result<bool, TenantError> {
        let action = AdminAction::ValueCopied;
        let noted = self
            .admin
            .note(action, Some(source), Some(target), Some(key));
        noted.await?;
        let Some(value) = self.inner.get(&physical(source, key)).await? else {
            return Ok(false);
        };
        self.inner.set(&physical(target, key), value).await?;
        Ok(true)
    }

    async fn note(
        &self,
        action: AdminAction,
        tenant: &TenantId,
        key: &str,
    ) -> Result<(), TenantError> {
        Ok(self
            .admin
            .note(action, Some(tenant), None, Some(key))
            .await?)
    }
}

fn physical(tenant: &TenantId, key: &str) -> String {
    KeyCodec::tenant(tenant).encode(key)
}
