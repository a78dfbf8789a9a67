//! Tenants looked up, changed, limited and erased.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{House, house, id};
use crate::{
    audit::Actor,
    clock::Timestamp,
    id::TenantId,
    kv::{KeyValueStore, MemoryKeyValueStore},
    principal::Principal,
    tenancy::{
        AdminAction, AdminCapability, CacheConfig, Limit, LimitKind, MemoryTenantStore, Tenant,
        TenantConfig, TenantContext, TenantData, TenantError, TenantFilter, TenantIsolatedStore,
        TenantKeys, TenantManager, TenantStore, TenantTier,
    },
};

#[tokio::test]
async fn a_tenant_is_created_read_and_changed() {
    // covers: TEN-20, TEN-21
    let it = house();
    let acme = it.add("acme", TenantTier::Free).await;
    assert_eq!(acme.config.created_at, Timestamp::from_micros(1_000_000));
    assert_eq!(it.tenants.get_tenant(&id("acme")).await.unwrap(), acme);
    let missing = it.tenants.get_tenant(&id("other")).await.unwrap_err();
    assert_eq!(
        missing,
        TenantError::NotFound {
            tenant_id: id("other")
        }
    );
    let again = it
        .tenants
        .create_tenant(TenantConfig::clone(&acme.config))
        .await
        .unwrap_err();
    assert_eq!(
        again,
        TenantError::AlreadyExists {
            tenant_id: id("acme")
        }
    );

    it.clock.advance(Duration::from_secs(1)).await;
    let mut config = TenantConfig::clone(&acme.config);
    config.name = "Renamed".into();
    config.created_at = Timestamp::from_micros(7);
    let changed = it
        .tenants
        .update_tenant(config.clone(), acme.version)
        .await
        .unwrap();
    assert_eq!(it.tenants.get_tenant(&id("acme")).await.unwrap(), changed);
    assert_eq!(changed.config.name, "Renamed");
    assert_eq!(changed.config.created_at, acme.config.created_at);
    assert_eq!(changed.config.updated_at, Timestamp::from_micros(2_000_000));
    // The second writer does not overwrite what it has not seen.
    let lost = it
        .tenants
        .update_tenant(config, acme.version)
        .await
        .unwrap_err();
    assert!(matches!(
        lost,
        TenantError::Conflict {
            expected: 1,
            found: 2,
            ..
        }
    ));
    // What was read before is a snapshot.
    assert_eq!(acme.config.name, "Name");
    assert_eq!(it.tenants.list_tenants(10, 0).await.unwrap(), [changed]);
}

#[tokio::test]
async fn who_is_not_active_is_granted_nothing() {
    // covers: TEN-20
    let it = house();
    it.add("acme", TenantTier::Enterprise).await;
    it.switch_off("acme").await;
    let (tenants, acme) = (&it.tenants, id("acme"));
    let kind = LimitKind::RunsPerDay;
    let refused = [
        tenants.get_tenant(&acme).await.map(drop),
        tenants.check_limit(&acme, kind, 0).await.map(drop),
        tenants.enforce_limit(&acme, kind, 0).await,
        tenants.reserve(&acme, kind, 1).await.map(drop),
        tenants.check_feature(&acme, "persistence").await.map(drop),
        tenants.require_feature(&acme, "persistence").await,
        tenants.require_action(&acme, "any").await,
        tenants.context(&acme).await.map(drop),
    ];
    for result in refused {
        assert_eq!(
            result,
            Err(TenantError::Inactive {
                tenant_id: id("acme")
            })
        );
    }
    // Who administers it sees it, and can switch it on again.
    let off = tenants.find_tenant(&acme).await.unwrap();
    let mut config = TenantConfig::clone(&off.config);
    config.is_active = true;
    tenants.update_tenant(config, off.version).await.unwrap();
    tenants.get_tenant(&acme).await.unwrap();
}

#[tokio::test]
async fn limits_are_checked_against_what_the_tenant_may_use() {
    // covers: TEN-16
    let it = house();
    it.add("acme", TenantTier::Free).await;
    let (tenants, acme) = (&it.tenants, id("acme"));
    let kind = LimitKind::ConcurrentPipelines;
    assert!(tenants.check_limit(&acme, kind, 0).await.unwrap());
    assert!(!tenants.check_limit(&acme, kind, 1).await.unwrap());
    tenants.enforce_limit(&acme, kind, 0).await.unwrap();
    let exceeded = TenantError::LimitExceeded {
        tenant_id: id("acme"),
        limit_type: kind,
        current: 1,
        maximum: 1,
    };
    let error = tenants.enforce_limit(&acme, kind, 1).await.unwrap_err();
    assert_eq!(error, exceeded);
    assert!(error.to_string().contains("concurrent_pipelines"));
    // Storage is a limit too.
    assert!(
        tenants
            .check_limit(&acme, LimitKind::Storage, 999_999_999)
            .await
            .unwrap()
    );
    assert!(
        !tenants
            .check_limit(&acme, LimitKind::Storage, 1_000_000_000)
            .await
            .unwrap()
    );
    let taken = tenants.reserve(&acme, kind, 1).await.unwrap();
    assert_eq!(tenants.current_usage(&acme, kind), 1);
    assert_eq!(tenants.reserve(&acme, kind, 1).await.unwrap_err(), exceeded);
    drop(taken);
    tenants.reserve(&acme, kind, 1).await.unwrap().keep();
    assert!(tenants.reserve(&acme, kind, 1).await.is_err());
    tenants.release(&acme, kind, 1);
    assert_eq!(tenants.current_usage(&acme, kind), 0);
    let limits = tenants.get_limits(&tenants.get_tenant(&acme).await.unwrap().config);
    assert_eq!(limits.limit(kind), Limit::at(1));
}

#[tokio::test]
async fn one_tenants_use_never_counts_against_another() {
    // covers: TEN-14
    let it = house();
    it.add("a", TenantTier::Free).await;
    it.add("b", TenantTier::Free).await;
    for kind in LimitKind::ALL {
        let most = it
            .tenants
            .get_limits(&TenantConfig::new(id("a"), "A"))
            .limit(kind)
            .maximum()
            .unwrap();
        let all = it.tenants.reserve(&id("a"), kind, most).await.unwrap();
        it.tenants
            .reserve(&id("b"), kind, most)
            .await
            .unwrap()
            .keep();
        drop(all);
    }
}

#[tokio::test]
async fn features_and_actions_are_required_by_name() {
    // covers: TEN-18
    let it = house();
    let acme = it.add("acme", TenantTier::Free).await;
    let tenants = &it.tenants;
    assert!(
        tenants
            .check_feature(&id("acme"), "basic_agents")
            .await
            .unwrap()
    );
    assert!(
        !tenants
            .check_feature(&id("acme"), "persistence")
            .await
            .unwrap()
    );
    let refused = tenants
        .require_feature(&id("acme"), "persistence")
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        TenantError::FeatureDisabled {
            tenant_id: id("acme"),
            feature: "persistence".into()
        }
    );
    let mut config = TenantConfig::clone(&acme.config);
    config.blocked_actions.insert("wire_money".into());
    tenants.update_tenant(config, acme.version).await.unwrap();
    tenants
        .require_action(&id("acme"), "send_mail")
        .await
        .unwrap();
    let refused = tenants
        .require_action(&id("acme"), "wire_money")
        .await
        .unwrap_err();
    assert!(matches!(refused, TenantError::ActionBlocked { action, .. } if action == "wire_money"));
}

#[tokio::test]
async fn a_change_of_another_process_is_seen_within_the_time_to_live() {
    // covers: TEN-22
    let it = house();
    let acme = it.add("acme", TenantTier::Enterprise).await;
    let other = TenantManager::new(it.store.clone(), Arc::new(it.clock.clone()));
    let at_once = other.clone().with_cache(CacheConfig::OFF);
    other
        .preload_cache(&[id("acme"), id("absent")])
        .await
        .unwrap();
    let mut config = TenantConfig::clone(&acme.config);
    config.tier = TenantTier::Free;
    it.tenants
        .update_tenant(config, acme.version)
        .await
        .unwrap();
    let sees =
        async |manager: &TenantManager| manager.get_tenant(&id("acme")).await.unwrap().config.tier;
    assert_eq!(sees(&it.tenants).await, TenantTier::Free);
    assert_eq!(sees(&at_once).await, TenantTier::Free);
    assert_eq!(sees(&other).await, TenantTier::Enterprise);
    it.clock.advance(Duration::from_millis(4_999)).await;
    assert_eq!(sees(&other).await, TenantTier::Enterprise);
    it.clock.advance(Duration::from_millis(1)).await;
    assert_eq!(sees(&other).await, TenantTier::Free);
    other.invalidate_cache(None);
    assert_eq!(sees(&other).await, TenantTier::Free);
}

/// A store whose next reading ends only when it is let go.
#[derive(Debug)]
struct Slow {
    inner: MemoryTenantStore,
    slow: AtomicBool,
    reading: Semaphore,
    go: Semaphore,
}

#[async_trait]
impl TenantStore for Slow {
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, TenantError> {
        let tenant = self.inner.get(id).await;
        if self.slow.swap(false, Ordering::SeqCst) {
            self.reading.add_permits(1);
            self.go.acquire().await.unwrap().forget();
        }
        tenant
    }

    async fn create(&self, config: &TenantConfig, by: &Actor) -> Result<Tenant, TenantError> {
        self.inner.create(config, by).await
    }

    async fn update(
        &self,
        config: &TenantConfig,
        version: u64,
        by: &Actor,
    ) -> Result<Tenant, TenantError> {
        self.inner.update(config, version, by).await
    }

    async fn delete(
        &self,
        id: &TenantId,
        at: Timestamp,
        by: &Actor,
    ) -> Result<Tenant, TenantError> {
        self.inner.delete(id, at, by).await
    }

    async fn purge(&self, id: &TenantId, at: Timestamp) -> Result<(), TenantError> {
        self.inner.purge(id, at).await
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Tenant>, TenantError> {
        self.inner.list(filter, limit, offset).await
    }

    async fn count(&self, filter: &TenantFilter) -> Result<u64, TenantError> {
        self.inner.count(filter).await
    }
}

#[tokio::test]
async fn a_reading_that_began_before_a_change_does_not_bring_the_old_back() {
    // covers: TEN-23
    for deleting in [false, true] {
        let store = Arc::new(Slow {
            inner: MemoryTenantStore::default(),
            slow: AtomicBool::new(false),
            reading: Semaphore::new(0),
            go: Semaphore::new(0),
        });
        let it = house();
        let tenants = TenantManager::new(store.clone(), Arc::new(it.clock.clone()));
        let acme = tenants
            .create_tenant(TenantConfig::new(id("acme"), "Old"))
            .await
            .unwrap();
        tenants.invalidate_cache(None);
        store.slow.store(true, Ordering::SeqCst);
        let slow = tokio::spawn({
            let tenants = tenants.clone();
            async move {
                tenants
                    .get_tenant(&id("acme"))
                    .await
                    .unwrap()
                    .config
                    .name
                    .clone()
            }
        });
        store.reading.acquire().await.unwrap().forget();
        if deleting {
            tenants.delete_tenant(&id("acme")).await.unwrap();
        } else {
            let mut config = TenantConfig::clone(&acme.config);
            config.name = "New".into();
            tenants.update_tenant(config, 1).await.unwrap();
        }
        store.go.add_permits(1);
        assert_eq!(slow.await.unwrap(), "Old");
        let after = tenants.get_tenant(&id("acme")).await;
        if deleting {
            assert_eq!(
                after.unwrap_err(),
                TenantError::NotFound {
                    tenant_id: id("acme")
                }
            );
        } else {
            assert_eq!(after.unwrap().config.name, "New");
        }
    }
}

fn administrator(it: &House) -> AdminCapability {
    AdminCapability::grant(&Principal::local(), Arc::new(it.log.clone())).unwrap()
}

#[tokio::test]
async fn deletion_keeps_the_id_and_purging_erases_what_was_held() {
    // covers: TEN-28, TEN-30
    let it = house();
    it.add("acme", TenantTier::Free).await;
    it.add("other", TenantTier::Free).await;
    let shared: Arc<dyn KeyValueStore> = Arc::new(MemoryKeyValueStore::default());
    let store = TenantIsolatedStore::new(shared.clone());
    for tenant in ["acme", "other"] {
        let context = TenantContext::for_host(id(tenant));
        let write = async {
            store.set("k", json!(1)).await.unwrap();
            store
                .for_instance("i".parse().unwrap())
                .set("k", json!(2))
                .await
                .unwrap();
        };
        context.scope(write).await.unwrap();
    }
    let (admin, keys) = (administrator(&it), TenantKeys::new("notes", shared.clone()));
    let (tenants, acme) = (&it.tenants, id("acme"));
    let early = tenants
        .purge_tenant(&admin, &acme, &[&keys])
        .await
        .unwrap_err();
    assert_eq!(
        early,
        TenantError::NotDeleted {
            tenant_id: id("acme")
        }
    );
    tenants.delete_tenant(&acme).await.unwrap();
    let twice = tenants.delete_tenant(&acme).await.unwrap_err();
    assert_eq!(
        twice,
        TenantError::NotFound {
            tenant_id: id("acme")
        }
    );
    let reused = it
        .tenants
        .create_tenant(TenantConfig::new(id("acme"), "Other customer"))
        .await;
    assert!(matches!(reused, Err(TenantError::AlreadyExists { .. })));
    assert_eq!(shared.list("acme:").await.unwrap().len(), 2);

    // A holder that fails stops it, and doing it again goes on.
    let failed = tenants
        .purge_tenant(&admin, &acme, &[&keys, &Stuck])
        .await
        .unwrap_err();
    assert!(matches!(failed, TenantError::DataRemains { holder, .. } if holder == "stuck"));
    assert!(it.store.get(&acme).await.unwrap().is_some());
    tenants.purge_tenant(&admin, &acme, &[&keys]).await.unwrap();
    assert_eq!(it.store.get(&acme).await.unwrap(), None);
    assert!(shared.list("acme:").await.unwrap().is_empty());
    assert_eq!(shared.list("other:").await.unwrap().len(), 2);
    let reused = tenants
        .create_tenant(TenantConfig::new(id("acme"), "Other customer"))
        .await;
    assert!(matches!(reused, Err(TenantError::AlreadyExists { .. })));
    let purged: Vec<_> = it
        .log
        .events()
        .into_iter()
        .map(|it| (it.action, it.tenant))
        .collect();
    assert_eq!(
        purged,
        [
            (AdminAction::TenantPurged, Some(id("acme"))),
            (AdminAction::TenantPurged, Some(id("acme")))
        ]
    );
}

#[derive(Debug)]
struct Stuck;

#[async_trait]
impl TenantData for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    async fn erase(&self, _tenant: &TenantId) -> Result<(), String> {
        Err("the disk does not answer".into())
    }
}
