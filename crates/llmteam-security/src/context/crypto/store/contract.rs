//! What every store of data keys does. Each engine's tests call [`check`].

use super::{DekStore, Inserted};
use crate::{
    clock::Timestamp,
    context::crypto::{
        dek::{DekId, DekRecord, DekState, WrappedDek},
        kek::KekVersion,
    },
    id::TenantId,
};

/// A live record.
pub(in crate::context::crypto) fn live(
    tenant: &str,
    run: &str,
    id: u8,
    kek: u32,
    bytes: Vec<u8>,
) -> DekRecord {
    DekRecord {
        tenant: tenant.parse().unwrap(),
        run: run.parse().unwrap(),
        id: DekId::from_bytes([id; 16]),
        state: DekState::Live(wrapped(kek, bytes)),
        created_at: Timestamp::from_micros(1),
    }
}

fn wrapped(kek: u32, bytes: Vec<u8>) -> WrappedDek {
    let kek = KekVersion(kek);
    WrappedDek { kek, bytes }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// Runs the suite over an empty store.
pub(in crate::context::crypto) async fn check(store: &dyn DekStore) {
    a_run_has_one_key(store).await;
    tenants_do_not_see_each_other(store).await;
    wrapping_is_replaced_once(store).await;
    a_destroyed_key_stays_destroyed(store).await;
    a_closed_version_takes_nothing(store).await;
    pages_are_in_order_and_complete(store).await;
}

async fn a_run_has_one_key(store: &dyn DekStore) {
    let first = live("one", "r", 1, 1, vec![0, 255, 1]);
    assert_eq!(store.of_run(&first.tenant, &first.run).await.unwrap(), None);
    assert_eq!(store.insert(&first).await.unwrap(), Inserted::Stored);
    let second = live("one", "r", 2, 1, vec![2]);
    let refused = store.insert(&second).await.unwrap();
    assert_eq!(refused, Inserted::RunHasOne(Box::new(first.clone())));
    assert_eq!(store.get(&first.tenant, second.id).await.unwrap(), None);
    let found = store.of_run(&first.tenant, &first.run).await.unwrap();
    assert_eq!(found, Some(first.clone()));
    // One name for two runs would let one run's values open for another.
    assert!(
        store
            .insert(&live("one", "other", 1, 1, vec![3]))
            .await
            .is_err()
    );
    assert_eq!(
        store.get(&first.tenant, first.id).await.unwrap(),
        Some(first)
    );
}

async fn tenants_do_not_see_each_other(store: &dyn DekStore) {
    let (a, b) = (live("a", "r", 9, 1, vec![1]), live("b", "r", 9, 1, vec![2]));
    for record in [&a, &b] {
        assert_eq!(store.insert(record).await.unwrap(), Inserted::Stored);
    }
    assert_eq!(store.get(&a.tenant, a.id).await.unwrap(), Some(a.clone()));
    let stranger: TenantId = "c".parse().unwrap();
    assert_eq!(store.get(&stranger, a.id).await.unwrap(), None);
    assert_eq!(store.of_run(&stranger, &a.run).await.unwrap(), None);
    assert!(!store.shred(&stranger, &a.run, at(2)).await.unwrap());
    let new = wrapped(2, vec![3]);
    assert!(
        !store
            .replace(&stranger, a.id, KekVersion(1), &new)
            .await
            .unwrap()
    );
    assert_eq!(store.close(&stranger, KekVersion(7)).await.unwrap(), 0);
    assert!(
        store
            .replace(&a.tenant, a.id, KekVersion(1), &new)
            .await
            .unwrap()
    );
    assert!(store.shred(&a.tenant, &a.run, at(2)).await.unwrap());
    assert_eq!(store.get(&b.tenant, b.id).await.unwrap(), Some(b));
}

async fn wrapping_is_replaced_once(store: &dyn DekStore) {
    let record = live("w", "r", 1, 1, vec![1]);
    store.insert(&record).await.unwrap();
    let new = wrapped(2, vec![2]);
    assert!(
        store
            .replace(&record.tenant, record.id, KekVersion(1), &new)
            .await
            .unwrap()
    );
    let late = wrapped(2, vec![9]);
    assert!(
        !store
            .replace(&record.tenant, record.id, KekVersion(1), &late)
            .await
            .unwrap()
    );
    let found = store.get(&record.tenant, record.id).await.unwrap().unwrap();
    assert_eq!(found.wrapped(), Some(&new));
}

async fn a_destroyed_key_stays_destroyed(store: &dyn DekStore) {
    let record = live("s", "r", 1, 1, vec![1]);
    store.insert(&record).await.unwrap();
    assert!(
        store
            .shred(&record.tenant, &record.run, at(5))
            .await
            .unwrap()
    );
    assert!(
        !store
            .shred(&record.tenant, &record.run, at(6))
            .await
            .unwrap()
    );
    let state = DekState::Shredded { at: at(5) };
    let tombstone = DekRecord { state, ..record };
    let found = store.get(&tombstone.tenant, tombstone.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&tombstone));
    let again = store.insert(&live("s", "r", 2, 1, vec![2])).await.unwrap();
    assert_eq!(again, Inserted::RunHasOne(Box::new(tombstone.clone())));
    let new = wrapped(2, vec![3]);
    assert!(
        !store
            .replace(&tombstone.tenant, tombstone.id, KekVersion(1), &new)
            .await
            .unwrap()
    );
    assert_eq!(
        store.close(&tombstone.tenant, KekVersion(1)).await.unwrap(),
        0
    );
}

async fn a_closed_version_takes_nothing(store: &dyn DekStore) {
    let (old, new) = (
        live("k", "r1", 1, 1, vec![1]),
        live("k", "r2", 2, 2, vec![2]),
    );
    store.insert(&old).await.unwrap();
    store.insert(&new).await.unwrap();
    let tenant = &old.tenant;
    // In use: nothing changes, and the version still takes keys.
    assert_eq!(store.close(tenant, KekVersion(1)).await.unwrap(), 1);
    assert_eq!(store.close(tenant, KekVersion(2)).await.unwrap(), 2);
    let third = live("k", "r3", 3, 1, vec![3]);
    assert_eq!(store.insert(&third).await.unwrap(), Inserted::Stored);
    for record in [&old, &third] {
        let to = wrapped(2, vec![4]);
        assert!(
            store
                .replace(tenant, record.id, KekVersion(1), &to)
                .await
                .unwrap()
        );
    }
    for _ in 0..2 {
        assert_eq!(store.close(tenant, KekVersion(1)).await.unwrap(), 0);
    }
    let late = live("k", "r4", 4, 1, vec![5]);
    assert_eq!(store.insert(&late).await.unwrap(), Inserted::KekRetired);
    assert_eq!(store.of_run(tenant, &late.run).await.unwrap(), None);
    let back = wrapped(1, vec![6]);
    assert!(
        !store
            .replace(tenant, new.id, KekVersion(2), &back)
            .await
            .unwrap()
    );
}

async fn pages_are_in_order_and_complete(store: &dyn DekStore) {
    for id in (1..=9).rev() {
        let record = live("p", &format!("r{id}"), id, u32::from(id % 3) + 1, vec![id]);
        store.insert(&record).await.unwrap();
    }
    let tenant: TenantId = "p".parse().unwrap();
    let run = "r1".parse().unwrap();
    assert!(store.shred(&tenant, &run, at(1)).await.unwrap());
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = store.below(&tenant, KekVersion(3), after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        names.extend(page.iter().map(|it| it.id.as_bytes()[0]));
    }
    // Versions 1 and 2 are those whose name modulo three is zero or one; the first run is destroyed.
    assert_eq!(names, [3, 4, 6, 7, 9]);
}
