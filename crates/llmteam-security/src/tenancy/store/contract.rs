//! What every tenant store is held to.

use std::sync::Arc;

use super::{Tenant, TenantFilter, TenantStore};
use crate::{
    audit::{Actor, AuditQuery, AuditTrails, OrderBy},
    clock::Timestamp,
    id::TenantId,
    tenancy::{Limit, TenantConfig, TenantError, TenantTier},
};

fn id(text: &str) -> TenantId {
    text.parse().unwrap()
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn config(text: &str, created: i64) -> TenantConfig {
    let mut config = TenantConfig::new(id(text), format!("Tenant {text} ü \"quoted\""));
    (config.created_at, config.updated_at) = (at(created), at(created));
    config
}

fn everything() -> TenantFilter {
    TenantFilter {
        include_inactive: true,
        include_deleted: true,
        tier: None,
    }
}

fn names(tenants: &[Tenant]) -> Vec<&str> {
    tenants
        .iter()
        .map(|it| it.config.tenant_id.as_str())
        .collect()
}

/// Runs the whole suite on an empty store.
pub(super) async fn check(store: Arc<dyn TenantStore>) {
    what_is_created_is_read_as_it_was(&*store).await;
    a_change_is_made_only_from_the_version_that_was_read(&*store).await;
    an_id_is_used_once(&*store).await;
    of_several_at_once_one_succeeds(&store).await;
    lists_have_one_order(&*store).await;
    what_cannot_be_shown_is_not_kept(&*store).await;
}

/// Each change that happens, and none that does not, is in the tenant's own trail with who made it.
pub(super) async fn each_change_is_recorded(store: &dyn TenantStore, trails: &AuditTrails) {
    // covers: TEN-31
    let by = Actor::user(&"ada".parse().unwrap());
    let mut it = config("told", 5);
    store.create(&it, &by).await.unwrap();
    store.create(&it, &by).await.unwrap_err();
    it.name = "Renamed".into();
    store.update(&it, 1, &by).await.unwrap();
    store.update(&it, 1, &by).await.unwrap_err();
    store.delete(&it.tenant_id, at(9), &by).await.unwrap();
    store.delete(&it.tenant_id, at(9), &by).await.unwrap_err();
    let query = AuditQuery {
        order_by: OrderBy::SequenceNumber,
        order_desc: false,
        ..AuditQuery::default()
    };
    let records = trails.of(&it.tenant_id).query(&query).await.unwrap();
    let name = |values: Option<&serde_json::Map<String, serde_json::Value>>| {
        let name = values?.get("name")?.as_str()?;
        Some(name.to_owned())
    };
    let said: Vec<_> = records
        .iter()
        .map(|it| {
            assert_eq!(it.actor_id(), "ada");
            let (old, new) = (name(it.old_value()), name(it.new_value()));
            (it.event_type().as_str(), old, new.unwrap())
        })
        .collect();
    let first = || config("told", 5).name;
    let renamed = || "Renamed".to_owned();
    assert_eq!(
        said,
        [
            ("config.tenant_created", None, first()),
            ("config.tenant_updated", Some(first()), renamed()),
            ("config.tenant_deleted", Some(renamed()), renamed()),
        ]
    );
}

async fn what_is_created_is_read_as_it_was(store: &dyn TenantStore) {
    // covers: TEN-25
    assert_eq!(store.get(&id("full")).await.unwrap(), None);
    let mut full = config("full", 7);
    full.tier = TenantTier::Professional;
    full.max_concurrent_pipelines = Some(Limit::at(0));
    full.max_requests_per_minute = Some(Limit::UNLIMITED);
    full.features_enabled.insert("x".into());
    full.allowed_actions = Some(Default::default());
    full.metadata.insert("nul".into(), "\0\u{202e}".into());
    full.metadata.insert("big".into(), u64::MAX.into());
    let created = store.create(&full, &Actor::system()).await.unwrap();
    assert_eq!((created.version, created.deleted_at), (1, None));
    assert_eq!(*created.config, full);
    assert_eq!(store.get(&id("full")).await.unwrap(), Some(created));
}

async fn a_change_is_made_only_from_the_version_that_was_read(store: &dyn TenantStore) {
    // covers: TEN-26
    let missing = store
        .update(&config("gone", 1), 1, &Actor::system())
        .await
        .unwrap_err();
    assert!(matches!(missing, TenantError::NotFound { .. }));
    store
        .create(&config("u", 100), &Actor::system())
        .await
        .unwrap();
    let mut changed = config("u", 999);
    changed.name = "New".into();
    changed.updated_at = at(50);
    let updated = store.update(&changed, 1, &Actor::system()).await.unwrap();
    assert_eq!(updated.version, 2);
    assert_eq!(updated.config.name, "New");
    // The time of creation stays, and time does not go back.
    assert_eq!(
        (updated.config.created_at, updated.config.updated_at),
        (at(100), at(100))
    );
    let late = store
        .update(&changed, 1, &Actor::system())
        .await
        .unwrap_err();
    let conflict = TenantError::Conflict {
        tenant_id: id("u"),
        expected: 1,
        found: 2,
    };
    assert_eq!(late, conflict);
    assert_eq!(store.get(&id("u")).await.unwrap(), Some(updated));
}

async fn an_id_is_used_once(store: &dyn TenantStore) {
    // covers: TEN-27, TEN-28
    let taken = |result| assert!(matches!(result, Err(TenantError::AlreadyExists { .. })));
    let absent = |error| assert!(matches!(error, TenantError::NotFound { .. }), "{error}");
    absent(
        store
            .delete(&id("d"), at(1), &Actor::system())
            .await
            .unwrap_err(),
    );
    absent(store.purge(&id("d"), at(1)).await.unwrap_err());
    store
        .create(&config("d", 10), &Actor::system())
        .await
        .unwrap();
    taken(store.create(&config("d", 11), &Actor::system()).await);
    let early = store.purge(&id("d"), at(12)).await.unwrap_err();
    assert!(matches!(early, TenantError::NotDeleted { .. }));

    let deleted = store
        .delete(&id("d"), at(20), &Actor::system())
        .await
        .unwrap();
    assert_eq!((deleted.version, deleted.deleted_at), (2, Some(at(20))));
    assert!(!deleted.config.is_active && deleted.config.updated_at == at(20));
    assert_eq!(store.get(&id("d")).await.unwrap(), Some(deleted));
    absent(
        store
            .delete(&id("d"), at(21), &Actor::system())
            .await
            .unwrap_err(),
    );
    absent(
        store
            .update(&config("d", 10), 2, &Actor::system())
            .await
            .unwrap_err(),
    );
    taken(store.create(&config("d", 22), &Actor::system()).await);

    for _ in 0..2 {
        store.purge(&id("d"), at(30)).await.unwrap();
        assert_eq!(store.get(&id("d")).await.unwrap(), None);
    }
    taken(store.create(&config("d", 31), &Actor::system()).await);
    absent(
        store
            .update(&config("d", 10), 2, &Actor::system())
            .await
            .unwrap_err(),
    );
    absent(
        store
            .delete(&id("d"), at(32), &Actor::system())
            .await
            .unwrap_err(),
    );
    let all = store.list(&everything(), 100, 0).await.unwrap();
    assert!(!names(&all).contains(&"d"));
}

async fn of_several_at_once_one_succeeds(store: &Arc<dyn TenantStore>) {
    // covers: TEN-26, TEN-27
    let creating: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .create(&config("race", n), &Actor::system())
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut created = 0;
    for task in creating {
        created += u32::from(task.await.unwrap());
    }
    assert_eq!(created, 1);
    let updating: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .update(&config("race", 1), 1, &Actor::system())
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut updated = 0;
    for task in updating {
        updated += u32::from(task.await.unwrap());
    }
    assert_eq!(updated, 1);
    assert_eq!(store.get(&id("race")).await.unwrap().unwrap().version, 2);
}

async fn lists_have_one_order(store: &dyn TenantStore) {
    // covers: TEN-29
    for (text, created, tier) in [
        ("Z", 2_000, TenantTier::Starter),
        ("a", 2_000, TenantTier::Free),
        ("b", 3_000, TenantTier::Starter),
        ("off", 4_000, TenantTier::Starter),
        ("out", 5_000, TenantTier::Starter),
    ] {
        let mut config = config(text, created);
        config.tier = tier;
        config.is_active = text != "off";
        store.create(&config, &Actor::system()).await.unwrap();
    }
    store
        .delete(&id("out"), at(6_000), &Actor::system())
        .await
        .unwrap();
    let active = store.list(&TenantFilter::default(), 3, 0).await.unwrap();
    // Newest first, then by the bytes of the id, whatever the server's language.
    assert_eq!(names(&active), ["b", "Z", "a"]);
    let page = store.list(&TenantFilter::default(), 1, 1).await.unwrap();
    assert_eq!(names(&page), ["Z"]);
    let tier = store.list_by_tier(TenantTier::Starter).await.unwrap();
    assert_eq!(names(&tier), ["b", "Z"]);
    let off = TenantFilter {
        include_inactive: true,
        tier: Some(TenantTier::Starter),
        ..TenantFilter::default()
    };
    assert_eq!(
        names(&store.list(&off, 9, 0).await.unwrap()),
        ["off", "b", "Z"]
    );
    assert_eq!(store.count(&off).await.unwrap(), 3);
    let all = store.list(&everything(), 100, 0).await.unwrap();
    assert_eq!(names(&all)[..2], ["out", "off"]);
    assert_eq!(store.count(&everything()).await.unwrap(), all.len() as u64);
    assert!(store.list(&everything(), 0, 0).await.unwrap().is_empty());
    assert!(
        store
            .list(&everything(), 9, 1_000)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn what_cannot_be_shown_is_not_kept(store: &dyn TenantStore) {
    // covers: TEN-08
    let mut bad = config("bad", 1);
    bad.name = "evil\u{202e}eman".into();
    let refused = store.create(&bad, &Actor::system()).await.unwrap_err();
    assert!(matches!(
        refused,
        TenantError::InvalidConfig { field: "name", .. }
    ));
    assert_eq!(store.get(&id("bad")).await.unwrap(), None);
}
