//! The current tenant's part of a shared store.
//!
//! Invariant: without a tenant every operation is refused before the shared store is asked; physical keys are made and
//! read by [`crate::kv::KeyCodec`] alone, and a key that is not the tenant's is never shown, whatever the store answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::Value;

use super::context::{get_current_tenant, with_tenant};
use crate::{
    id::{InstanceId, TenantId},
    kv::{KeyCodec, KeyValueStore, KvError, physical_key},
};

/// A store that belongs to whichever tenant is current, and to one of its instances when it is
/// [`Self::for_instance`].
#[derive(Clone, Debug)]
pub struct TenantIsolatedStore {
    inner: Arc<dyn KeyValueStore>,
    instance: Option<InstanceId>,
    foreign: Arc<AtomicU64>,
}

impl TenantIsolatedStore {
    /// What all instances of the current tenant share in `inner`.
    pub fn new(inner: Arc<dyn KeyValueStore>) -> Self {
        Self {
            inner,
            instance: None,
            foreign: Arc::default(),
        }
    }

    /// What is `instance`'s own, of the current tenant.
    #[must_use]
    pub fn for_instance(&self, instance: InstanceId) -> Self {
        Self {
            instance: Some(instance),
            ..self.clone()
        }
    }

    /// The values of those of `keys` that have one; null is a value.
    pub async fn get_many(&self, keys: &[&str]) -> Result<BTreeMap<String, Value>, KvError> {
        let codec = self.codec()?;
        let mut values = BTreeMap::new();
        for key in keys {
            if let Some(value) = self.inner.get(&codec.encode(key)).await? {
                values.insert((*key).to_owned(), value);
            }
        }
        Ok(values)
    }

    /// Stores all values, one after the other: a failure leaves those before it.
    pub async fn set_many(&self, values: BTreeMap<String, Value>) -> Result<(), KvError> {
        let codec = self.codec()?;
        for (key, value) in values {
            self.inner.set(&codec.encode(&key), value).await?;
        }
        Ok(())
    }

    /// Removes all keys, one after the other, and says how many were there.
    pub async fn delete_many(&self, keys: &[&str]) -> Result<u64, KvError> {
        let codec = self.codec()?;
        let mut deleted = 0;
        for key in keys {
            deleted += u64::from(self.inner.delete(&codec.encode(key)).await?);
        }
        Ok(deleted)
    }

    /// Removes everything of the current tenant, its instances included, and says how many keys there were.
    pub async fn clear_tenant(&self) -> Result<u64, KvError> {
        let tenant = get_current_tenant().ok_or(KvError::NoTenant)?;
        erase(&*self.inner, &tenant).await
    }

    /// How many keys of others the shared store has listed and this one dropped: a store without the fault gives none.
    pub fn foreign_keys(&self) -> u64 {
        self.foreign.load(Ordering::Relaxed)
    }

    /// The physical key of `key`; refused without a tenant.
    fn encode(&self, key: &str) -> Result<String, KvError> {
        with_tenant(|tenant| physical_key(tenant, self.instance.as_ref(), key))
            .ok_or(KvError::NoTenant)
    }

    fn codec(&self) -> Result<KeyCodec, KvError> {
        let tenant = get_current_tenant().ok_or(KvError::NoTenant)?;
        Ok(match &self.instance {
            Some(instance) => KeyCodec::instance(&tenant, instance),
            None => KeyCodec::tenant(&tenant),
        })
    }
}

#[async_trait]
impl KeyValueStore for TenantIsolatedStore {
    async fn get(&self, key: &str) -> Result<Option<Value>, KvError> {
        self.inner.get(&self.encode(key)?).await
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), KvError> {
        self.inner.set(&self.encode(key)?, value).await
    }

    async fn delete(&self, key: &str) -> Result<bool, KvError> {
        self.inner.delete(&self.encode(key)?).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        let codec = self.codec()?;
        let wanted = codec.encode(prefix);
        let physical = self.inner.list(&wanted).await?;
        let mut keys = Vec::with_capacity(physical.len());
        for key in physical {
            if !key.starts_with(&wanted) {
                self.foreign.fetch_add(1, Ordering::Relaxed);
            } else if let Some(key) = codec.decode(&key) {
                // Keys of instances stand under the tenant's prefix and are nobody's here.
                keys.push(key);
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    async fn exists(&self, key: &str) -> Result<bool, KvError> {
        self.inner.exists(&self.encode(key)?).await
    }
}

/// Removes everything of `tenant` from `store`, its instances included, and says how many keys there were.
pub(super) async fn erase(store: &dyn KeyValueStore, tenant: &TenantId) -> Result<u64, KvError> {
    let prefix = KeyCodec::tenant(tenant).encode("");
    let mut erased = 0;
    for key in store.list(&prefix).await? {
        if key.starts_with(&prefix) {
            erased += u64::from(store.delete(&key).await?);
        }
    }
    Ok(erased)
}
