//! Named JSON values, and the codec that keeps scopes apart in a shared store.
//!
//! Invariant: two scopes never share a physical key, and a scope lists its own keys only.
//! A plain [`KeyValueStore`] knows no scope; [`ScopedStore`] is the only thing handed to what runs for a tenant.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::Value;

use crate::id::{InstanceId, TenantId};

/// Why a key-value store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The store could not be reached, or failed.
    #[error("the key-value store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored under the key is not JSON.
    #[error("the value of key `{0}` is damaged")]
    Damaged(String),
    /// Nothing says whose value is meant.
    #[error("no tenant is current; enter a tenant's context first")]
    NoTenant,
    /// The store keeps tenants apart, and the key belongs to none.
    #[error("the key belongs to no tenant; reach the store through a tenant's scope")]
    Unscoped,
}

/// Named JSON values. Values are owned copies: changing one changes nothing in the store.
#[async_trait]
pub trait KeyValueStore: Send + Sync + fmt::Debug {
    /// The value of `key`.
    async fn get(&self, key: &str) -> Result<Option<Value>, KvError>;

    /// Stores `value` under `key`, in place of what was there.
    async fn set(&self, key: &str, value: Value) -> Result<(), KvError>;

    /// Removes `key`; an absent one is no error. Returns whether it was there.
    async fn delete(&self, key: &str) -> Result<bool, KvError>;

    /// The keys that begin with `prefix`, in byte order.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, KvError>;

    /// Whether `key` has a value.
    async fn exists(&self, key: &str) -> Result<bool, KvError> {
        Ok(self.get(key).await?.is_some())
    }
}

/// A store in memory. Clones share one map.
#[derive(Clone, Debug, Default)]
pub struct MemoryKeyValueStore {
    values: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl MemoryKeyValueStore {
    /// Removes everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyValueStore for MemoryKeyValueStore {
    async fn get(&self, key: &str) -> Result<Option<Value>, KvError> {
        Ok(self.lock().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), KvError> {
        self.lock().insert(key.to_owned(), value);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<bool, KvError> {
        Ok(self.lock().remove(key).is_some())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        let values = self.lock();
        let from = values.range(prefix.to_owned()..);
        Ok(from
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect())
    }
}

/// Turns the keys of one scope into physical keys and back.
///
/// Instance scope: `<tenant>:<instance>:<key>`. Tenant scope: `<tenant>:<key>`, where `%` and `:` of the key
/// are written `%25` and `%3A`, so that it never looks like a key of an instance. `%` and `:` of the parts
/// are written that way too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCodec {
    prefix: String,
    escapes_keys: bool,
}

impl KeyCodec {
    /// The scope of all instances of a tenant.
    pub fn tenant(tenant: &TenantId) -> Self {
        Self {
            prefix: [&*escape(tenant.as_str()), ":"].concat(),
            escapes_keys: true,
        }
    }

    /// The scope of one instance.
    pub fn instance(tenant: &TenantId, instance: &InstanceId) -> Self {
        Self {
            prefix: [
                &*escape(tenant.as_str()),
                ":",
                &*escape(instance.as_str()),
                ":",
            ]
            .concat(),
            escapes_keys: false,
        }
    }

    /// The physical key of `key`; also the physical prefix of the prefix `key`.
    pub fn encode(&self, key: &str) -> String {
        let key = if self.escapes_keys {
            escape(key)
        } else {
            Cow::Borrowed(key)
        };
        [&self.prefix, &*key].concat()
    }

    /// The key whose physical form is `physical`; `None` when it belongs to another scope.
    pub fn decode(&self, physical: &str) -> Option<String> {
        let key = physical.strip_prefix(&self.prefix)?;
        if self.escapes_keys {
            unescape(key)
        } else {
            Some(key.to_owned())
        }
    }
}

/// The physical key of `key` in a scope, in one allocation: what [`KeyCodec::encode`] gives.
pub(crate) fn physical_key(tenant: &TenantId, instance: Option<&InstanceId>, key: &str) -> String {
    // Ids hold neither `%` nor `:`, so they are their own escaped form.
    let (tenant, instance) = (tenant.as_str(), instance.map(InstanceId::as_str));
    let key = match instance {
        Some(_) => Cow::Borrowed(key),
        None => escape(key),
    };
    let length = tenant.len() + instance.map_or(0, |it| it.len() + 1) + 1 + key.len();
    let mut physical = String::with_capacity(length);
    for part in [Some(tenant), instance].into_iter().flatten() {
        physical.push_str(part);
        physical.push(':');
    }
    physical.push_str(&key);
    physical
}

/// Whose value a physical key names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhysicalKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The instance; `None` for what all instances of the tenant share.
    pub instance: Option<InstanceId>,
    /// The key in that scope.
    pub key: String,
}

impl PhysicalKey {
    /// Reads a physical key; `None` when no codec has made it.
    pub fn parse(physical: &str) -> Option<Self> {
        let (tenant, rest) = physical.split_once(':')?;
        let (instance, key) = match rest.split_once(':') {
            Some((instance, key)) => (Some(instance.parse().ok()?), key.to_owned()),
            None => (None, unescape(rest)?),
        };
        let tenant = tenant.parse().ok()?;
        Some(Self {
            tenant,
            instance,
            key,
        })
    }
}

fn escape(part: &str) -> Cow<'_, str> {
    if part.contains(['%', ':']) {
        Cow::Owned(part.replace('%', "%25").replace(':', "%3A"))
    } else {
        Cow::Borrowed(part)
    }
}

fn unescape(part: &str) -> Option<String> {
    (!part.contains(':')).then(|| part.replace("%3A", ":").replace("%25", "%"))
}

/// One scope's view of a shared store.
#[derive(Clone, Debug)]
pub struct ScopedStore {
    inner: Arc<dyn KeyValueStore>,
    codec: KeyCodec,
}

impl ScopedStore {
    /// The part of `inner` that belongs to the scope of `codec`.
    pub fn new(inner: Arc<dyn KeyValueStore>, codec: KeyCodec) -> Self {
        Self { inner, codec }
    }
}

#[async_trait]
impl KeyValueStore for ScopedStore {
    async fn get(&self, key: &str) -> Result<Option<Value>, KvError> {
        self.inner.get(&self.codec.encode(key)).await
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), KvError> {
        self.inner.set(&self.codec.encode(key), value).await
    }

    async fn delete(&self, key: &str) -> Result<bool, KvError> {
        self.inner.delete(&self.codec.encode(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        let physical = self.inner.list(&self.codec.encode(prefix)).await?;
        // A store that does not hold to the prefix must not show other keys, of this scope or another.
        let mut keys: Vec<_> = physical
            .iter()
            .filter_map(|key| self.codec.decode(key))
            .filter(|key| key.starts_with(prefix))
            .collect();
        keys.sort_unstable();
        Ok(keys)
    }

    async fn exists(&self, key: &str) -> Result<bool, KvError> {
        self.inner.exists(&self.codec.encode(key)).await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    fn instance(tenant_id: &str, id: &str) -> KeyCodec {
        KeyCodec::instance(&tenant(tenant_id), &id.parse().unwrap())
    }

    #[tokio::test]
    async fn scopes_do_not_see_each_other() {
        check(Arc::new(MemoryKeyValueStore::default())).await;
    }

    /// What every store is held to, through the scopes of several tenants and instances.
    pub(crate) async fn check(shared: Arc<dyn KeyValueStore>) {
        //
        let open = |codec| ScopedStore::new(shared.clone(), codec);
        let stores = [
            open(KeyCodec::tenant(&tenant("a"))),
            open(instance("a", "i")),
            open(instance("a", "j")),
            open(instance("b", "i")),
            open(KeyCodec::tenant(&tenant("b"))),
        ];
        let keys = [
            "k", "i:k", "j:k", "i%3Ak", "", ":", "%", "K", "\0", "\0é", "_k",
        ];
        for (n, store) in stores.iter().enumerate() {
            for key in keys {
                store.set(key, json!([n, key])).await.unwrap();
            }
        }
        let mut sorted = keys.map(str::to_owned);
        sorted.sort_unstable();
        for (n, store) in stores.iter().enumerate() {
            for key in keys {
                assert_eq!(store.get(key).await.unwrap(), Some(json!([n, key])));
            }
            assert_eq!(store.list("").await.unwrap(), sorted);
            assert_eq!(store.list("i:").await.unwrap(), ["i:k"]);
        }
        assert!(stores[1].delete("k").await.unwrap());
        assert!(!stores[1].delete("k").await.unwrap());
        assert!(!stores[1].exists("k").await.unwrap());
        assert!(stores[0].exists("k").await.unwrap() && stores[2].exists("k").await.unwrap());
    }

    #[test]
    fn an_instance_key_is_prefixed_and_otherwise_unchanged() {
        assert_eq!(instance("acme", "run_1").encode("a:b%"), "acme:run_1:a:b%");
        assert_eq!(
            KeyCodec::tenant(&tenant("acme")).encode("a:b%"),
            "acme:a%3Ab%25"
        );
    }

    proptest! {
        //
        #[test]
        fn the_codec_is_injective_over_all_scopes(
            a in ("[ab.]{1,2}".prop_filter("id", |s| !s.starts_with('.')), "[ab]?", "[ab:%35A]{0,5}"),
            b in ("[ab.]{1,2}".prop_filter("id", |s| !s.starts_with('.')), "[ab]?", "[ab:%35A]{0,5}"),
        ) {
            let codec = |(t, i, _): &(String, String, String)| if i.is_empty() { KeyCodec::tenant(&tenant(t)) } else { instance(t, i) };
            let (first, second) = (codec(&a).encode(&a.2), codec(&b).encode(&b.2));
            prop_assert_eq!(first == second, a == b);
            prop_assert_eq!(codec(&a).decode(&first), Some(a.2.clone()));
            let inside = (!a.1.is_empty()).then(|| a.1.parse().unwrap());
            prop_assert_eq!(&first, &physical_key(&tenant(&a.0), inside.as_ref(), &a.2));
            let parsed = PhysicalKey::parse(&first).unwrap();
            prop_assert_eq!(parsed.tenant.as_str(), &a.0);
            prop_assert_eq!(parsed.instance.map(|it| it.to_string()).unwrap_or_default(), a.1.clone());
            prop_assert_eq!(parsed.key, a.2.clone());
            if codec(&a) != codec(&b) {
                prop_assert_eq!(codec(&b).decode(&first), None);
            }
        }
    }
}
