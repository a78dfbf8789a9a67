//! A shared store through the scopes of several tenants and instances.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::id;
use crate::{
    id::{InstanceId, TenantId},
    kv::{KeyCodec, KeyValueStore, KvError, MemoryKeyValueStore, PhysicalKey},
    principal::{Principal, Role},
    tenancy::{
        AdminAction, AdminCapability, AdminEvent, AdminLog, AdminLogError, CrossTenantStore,
        MemoryAdminLog, TenantContext, TenantError, TenantIsolatedStore, TenantScope,
    },
};

fn instance(text: &str) -> InstanceId {
    text.parse().unwrap()
}

/// Runs `work` for `tenant`.
async fn by<T>(tenant: &str, work: impl Future<Output = T>) -> T {
    TenantContext::for_host(id(tenant))
        .scope(work)
        .await
        .unwrap()
}

/// A store that counts calls, and lists every key whatever the prefix.
#[derive(Clone, Debug, Default)]
struct Careless {
    values: MemoryKeyValueStore,
    calls: Arc<AtomicU64>,
}

impl Careless {
    fn call(&self) -> &MemoryKeyValueStore {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.values
    }
}

#[async_trait]
impl KeyValueStore for Careless {
    async fn get(&self, key: &str) -> Result<Option<Value>, KvError> {
        self.call().get(key).await
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), KvError> {
        self.call().set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<bool, KvError> {
        self.call().delete(key).await
    }

    async fn list(&self, _prefix: &str) -> Result<Vec<String>, KvError> {
        self.call().list("").await
    }
}

#[tokio::test]
async fn two_tenants_that_use_one_key_read_their_own_value() {
    // covers: TEN-51
    let store = TenantIsolatedStore::new(Arc::new(MemoryKeyValueStore::default()));
    by("a", store.set("k", json!(1))).await.unwrap();
    by("b", store.set("k", json!(2))).await.unwrap();
    assert_eq!(by("a", store.get("k")).await.unwrap(), Some(json!(1)));
    assert_eq!(by("b", store.get("k")).await.unwrap(), Some(json!(2)));
    by("b", store.set("only", json!(3))).await.unwrap();
    assert_eq!(by("a", store.list("")).await.unwrap(), ["k"]);
    assert_eq!(by("b", store.list("")).await.unwrap(), ["k", "only"]);
    assert!(!by("a", store.exists("only")).await.unwrap());
}

#[tokio::test]
async fn without_a_tenant_the_shared_store_is_not_asked() {
    // covers: TEN-52
    let inner = Careless::default();
    let store = TenantIsolatedStore::new(Arc::new(inner.clone()));
    for store in [store.clone(), store.for_instance(instance("i"))] {
        let refused = [
            store.get("k").await.map(drop),
            store.set("k", json!(1)).await,
            store.delete("k").await.map(drop),
            store.list("").await.map(drop),
            store.exists("k").await.map(drop),
            store.get_many(&["k"]).await.map(drop),
            store
                .set_many(BTreeMap::from([("k".into(), json!(1))]))
                .await,
            store.delete_many(&["k"]).await.map(drop),
            store.clear_tenant().await.map(drop),
        ];
        for result in refused {
            assert_eq!(result, Err(KvError::NoTenant));
        }
    }
    assert_eq!(inner.calls.load(Ordering::Relaxed), 0);
    assert_eq!(TenantError::from(KvError::NoTenant), TenantError::NoContext);
}

#[tokio::test]
async fn keys_of_others_are_dropped_and_counted() {
    // covers: TEN-54
    let store = TenantIsolatedStore::new(Arc::new(Careless::default()));
    for tenant in ["a", "ab", "b"] {
        by(tenant, store.set("k1", json!(1))).await.unwrap();
        by(tenant, store.set("x", json!(1))).await.unwrap();
        by(
            tenant,
            store.for_instance(instance("i")).set("k2", json!(1)),
        )
        .await
        .unwrap();
    }
    assert_eq!(store.foreign_keys(), 0);
    assert_eq!(by("a", store.list("k")).await.unwrap(), ["k1"]);
    // Six of other tenants, and two of the tenant that do not begin as asked.
    assert_eq!(store.foreign_keys(), 8);
    assert_eq!(by("a", store.clear_tenant()).await.unwrap(), 3);
    assert_eq!(by("ab", store.list("")).await.unwrap(), ["k1", "x"]);
}

#[tokio::test]
async fn null_is_a_value_and_values_are_copies() {
    // covers: TEN-56
    let store = TenantIsolatedStore::new(Arc::new(MemoryKeyValueStore::default()));
    by(
        "a",
        store.set_many(BTreeMap::from([
            ("n".into(), Value::Null),
            ("v".into(), json!([1])),
        ])),
    )
    .await
    .unwrap();
    let found = by("a", store.get_many(&["n", "v", "absent"]))
        .await
        .unwrap();
    assert_eq!(
        found,
        BTreeMap::from([("n".into(), Value::Null), ("v".into(), json!([1]))])
    );
    let mut copy = by("a", store.get("v")).await.unwrap().unwrap();
    copy[0] = json!(9);
    assert_eq!(by("a", store.get("v")).await.unwrap(), Some(json!([1])));
    assert_eq!(
        by("a", store.delete_many(&["n", "absent"])).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn a_scope_made_in_a_context_reaches_its_own_part_wherever_it_is_used() {
    // covers: TEN-53
    let inner: Arc<dyn KeyValueStore> = Arc::new(MemoryKeyValueStore::default());
    let scope = by("a", async { TenantScope::current().unwrap() }).await;
    let one = scope.instance(instance("i"));
    assert_eq!(
        (one.tenant_scope(), one.instance()),
        (&scope, &instance("i"))
    );
    by("b", one.store(inner.clone()).set("k", json!("a/i")))
        .await
        .unwrap();
    scope
        .store(inner.clone())
        .set("k", json!("a"))
        .await
        .unwrap();
    let isolated = TenantIsolatedStore::new(inner).for_instance(instance("i"));
    assert_eq!(
        by("a", isolated.get("k")).await.unwrap(),
        Some(json!("a/i"))
    );
    assert_eq!(by("b", isolated.get("k")).await.unwrap(), None);
}

fn administrator(log: &MemoryAdminLog) -> AdminCapability {
    let root = Principal::new("root".parse().unwrap()).with_role(Role::Operator);
    AdminCapability::grant(&root, Arc::new(log.clone())).unwrap()
}

#[tokio::test]
async fn crossing_takes_a_capability_and_every_call_is_noted_before_it_is_done() {
    // covers: TEN-55
    let log = MemoryAdminLog::default();
    let alice = Principal::new("alice".parse().unwrap()).with_role(Role::Approver);
    let refused = AdminCapability::grant(&alice, Arc::new(log.clone())).unwrap_err();
    assert_eq!(
        refused,
        TenantError::NotAnOperator("alice".parse().unwrap())
    );

    let inner: Arc<dyn KeyValueStore> = Arc::new(MemoryKeyValueStore::default());
    let store = CrossTenantStore::new(inner.clone(), administrator(&log));
    let (a, b) = (id("a"), id("b"));
    store.set_for_tenant(&a, "x:y", json!([1])).await.unwrap();
    assert_eq!(
        store.get_for_tenant(&a, "x:y").await.unwrap(),
        Some(json!([1]))
    );
    assert!(store.copy_between_tenants(&a, &b, "x:y").await.unwrap());
    assert!(!store.copy_between_tenants(&a, &b, "absent").await.unwrap());
    store.set_for_tenant(&a, "x:y", json!([2])).await.unwrap();
    assert_eq!(
        store.get_for_tenant(&b, "x:y").await.unwrap(),
        Some(json!([1]))
    );
    KeyValueStore::set(
        &*inner,
        &KeyCodec::instance(&a, &instance("i")).encode("x"),
        json!(3),
    )
    .await
    .unwrap();
    inner.set("made by nobody", json!(0)).await.unwrap();
    let all = store.list_all("x").await.unwrap();
    let key = |tenant: &TenantId, instance: Option<InstanceId>, key: &str| PhysicalKey {
        tenant: tenant.clone(),
        instance,
        key: key.into(),
    };
    assert_eq!(
        all,
        [
            key(&a, None, "x:y"),
            key(&a, Some(instance("i")), "x"),
            key(&b, None, "x:y")
        ]
    );
    assert_eq!(store.list_for_tenant(&a, "x").await.unwrap(), ["x:y"]);
    assert!(store.delete_for_tenant(&b, "x:y").await.unwrap());

    use AdminAction::{KeysListed, ValueCopied, ValueRead, ValueRemoved, ValueWritten};
    let events = log.events();
    let actions: Vec<_> = events.iter().map(|it| it.action).collect();
    assert_eq!(
        actions,
        [
            ValueWritten,
            ValueRead,
            ValueCopied,
            ValueCopied,
            ValueWritten,
            ValueRead,
            KeysListed,
            KeysListed,
            ValueRemoved
        ]
    );
    assert!(
        events
            .iter()
            .all(|it| it.principal == Some("root".parse().unwrap()))
    );
    let copied = AdminEvent {
        principal: Some("root".parse().unwrap()),
        action: ValueCopied,
        tenant: Some(a.clone()),
        target: Some(b),
        key: Some("x:y".into()),
    };
    assert_eq!(events[2], copied);
    let distinct: BTreeSet<_> = actions.iter().map(|it| it.as_str()).collect();
    assert_eq!(distinct.len(), 5);
}

#[tokio::test]
async fn what_cannot_be_noted_is_not_done() {
    // covers: TEN-55
    #[derive(Debug)]
    struct FullLog;
    #[async_trait]
    impl AdminLog for FullLog {
        async fn record(&self, _event: AdminEvent) -> Result<(), AdminLogError> {
            Err(AdminLogError("the log is full".into()))
        }
    }
    let admin = AdminCapability::grant(&Principal::local(), Arc::new(FullLog)).unwrap();
    let inner = Careless::default();
    let store = CrossTenantStore::new(Arc::new(inner.clone()), admin);
    let a = id("a");
    let results = [
        store.get_for_tenant(&a, "k").await.map(drop),
        store.set_for_tenant(&a, "k", json!(1)).await,
        store.delete_for_tenant(&a, "k").await.map(drop),
        store.list_for_tenant(&a, "k").await.map(drop),
        store.list_all("").await.map(drop),
        store
            .copy_between_tenants(&a, &id("b"), "k")
            .await
            .map(drop),
    ];
    for result in results {
        assert_eq!(
            result,
            Err(TenantError::Unnoted(AdminLogError(
                "the log is full".into()
            )))
        );
    }
    assert_eq!(inner.calls.load(Ordering::Relaxed), 0);
}

/// Raw ids and keys, with everything that could be taken for a separator.
fn name() -> impl Strategy<Value = String> {
    "[abA0][abA0._-]{0,3}"
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab:%35A*/. ]{0,6}",
        "\\PC{0,4}",
        Just(String::new()),
        Just("\0".to_owned())
    ]
}

type Scope = (String, Option<String>);

fn codec((tenant, instance): &Scope) -> KeyCodec {
    match instance {
        Some(it) => KeyCodec::instance(&id(tenant), &it.parse().unwrap()),
        None => KeyCodec::tenant(&id(tenant)),
    }
}

proptest! {
    // covers: TEN-50
    #[test]
    fn the_codec_is_injective_and_tenants_share_no_prefix(
        s1 in (name(), prop::option::of(name())), k1 in key(), s2 in (name(), prop::option::of(name())), k2 in key(),
    ) {
        let (p1, p2) = (codec(&s1).encode(&k1), codec(&s2).encode(&k2));
        prop_assert_eq!(p1 == p2, (&s1, &k1) == (&s2, &k2));
        prop_assert_eq!(codec(&s1).decode(&p1), Some(k1.clone()));
        if s1 != s2 {
            prop_assert_eq!(codec(&s1).decode(&p2), None);
        }
        if s1.0 != s2.0 {
            let prefix = KeyCodec::tenant(&id(&s1.0)).encode("");
            prop_assert!(!p2.starts_with(&prefix));
        }
        let parsed = PhysicalKey::parse(&p1).unwrap();
        let (tenant, instance) = s1;
        prop_assert_eq!((parsed.tenant.as_str(), parsed.instance.map(|it| it.to_string()), parsed.key), (&*tenant, instance, k1));
    }

    // A text that no codec made is never taken for a scope's key.
    // covers: TEN-50
    #[test]
    fn parsing_inverts_encoding_for_any_text(physical in "[ab:%3A25.\\-]{0,10}") {
        if let Some(it) = PhysicalKey::parse(&physical) {
            let scope = (it.tenant.to_string(), it.instance.map(|it| it.to_string()));
            let again = codec(&scope).encode(&it.key);
            // A tenant's key may be written with needless escapes; it is still that tenant's.
            prop_assert_eq!(PhysicalKey::parse(&again).unwrap().key, it.key);
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Set(String, u8),
    Delete(String),
    Get(String),
    List(String),
    ClearTenant,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || "[ij:%]{0,3}";
    prop_oneof![
        4 => (key(), any::<u8>()).prop_map(|(k, v)| Op::Set(k, v)),
        1 => key().prop_map(Op::Delete),
        2 => key().prop_map(Op::Get),
        2 => key().prop_map(Op::List),
        1 => Just(Op::ClearTenant),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    // covers: TEN-51, TEN-53
    #[test]
    fn interleaved_scopes_equal_maps_of_their_own(
        program in prop::collection::vec(("[ij]", prop::option::of("[ij]"), op()), 0..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let shared = TenantIsolatedStore::new(Arc::new(MemoryKeyValueStore::default()));
            let mut model: BTreeMap<Scope, BTreeMap<String, u8>> = BTreeMap::new();
            for (tenant, inside, op) in program {
                let store = match &inside {
                    Some(it) => shared.for_instance(it.parse().unwrap()),
                    None => shared.clone(),
                };
                let own = model.entry((tenant.clone(), inside)).or_default();
                match op {
                    Op::Set(key, value) => {
                        by(&tenant, store.set(&key, value.into())).await.unwrap();
                        own.insert(key, value);
                    }
                    Op::Delete(key) => {
                        assert_eq!(by(&tenant, store.delete(&key)).await.unwrap(), own.remove(&key).is_some());
                    }
                    Op::Get(key) => {
                        let value = by(&tenant, store.get(&key)).await.unwrap();
                        assert_eq!(value, own.get(&key).map(|it| (*it).into()));
                    }
                    Op::List(prefix) => {
                        let keys = by(&tenant, store.list(&prefix)).await.unwrap();
                        let expected: Vec<_> = own.keys().filter(|it| it.starts_with(&prefix)).cloned().collect();
                        assert_eq!(keys, expected);
                    }
                    Op::ClearTenant => {
                        let cleared = by(&tenant, store.clear_tenant()).await.unwrap();
                        let mut expected = 0;
                        model.retain(|(owner, _), values| {
                            expected += if *owner == tenant { values.len() as u64 } else { 0 };
                            *owner != tenant
                        });
                        assert_eq!(cleared, expected);
                    }
                }
            }
            for ((tenant, inside), own) in model {
                let store = match inside {
                    Some(it) => shared.for_instance(it.parse().unwrap()),
                    None => shared.clone(),
                };
                assert_eq!(by(&tenant, store.list("")).await.unwrap(), own.into_keys().collect::<Vec<_>>());
            }
        });
    }
}
