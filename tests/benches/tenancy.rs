//! What keeping tenants apart costs: a tenant's part of a store beside the store itself, and the check of a request.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use llmteam_security::clock::{Clock, SystemClock};
use llmteam_security::id::TenantId;
use llmteam_security::kv::{KeyValueStore, MemoryKeyValueStore};
use llmteam_security::sql::{SqliteDatabase, SqliteKeyValueStore};
use llmteam_security::tenancy::{
    MemoryTenantStore, TenantConfig, TenantContext, TenantIsolatedStore, TenantManager,
};
use serde_json::json;

use crate::measure::{Report, rate, two_workers};

const KEY: &str = "settings/theme";
const OPERATIONS: usize = 200_000;
const STORED_OPERATIONS: usize = 20_000;

fn acme() -> TenantId {
    "acme-industries".parse().expect("the text is an id")
}

/// Reads of one key, `times` of them.
async fn read(store: &dyn KeyValueStore, times: usize) {
    for _ in 0..times {
        let value = store.get(KEY).await.expect("the store answers");
        assert!(black_box(value).is_some());
    }
}

/// The floor: the same reads with the key put together by hand.
async fn read_bare(store: &dyn KeyValueStore, tenant: &TenantId, times: usize) {
    for _ in 0..times {
        let key = format!("{tenant}:{KEY}");
        let value = store.get(&key).await.expect("the store answers");
        assert!(black_box(value).is_some());
    }
}

async fn write(store: &dyn KeyValueStore, times: usize) {
    for n in 0..times {
        let written = store.set(KEY, json!(n)).await;
        written.expect("the store answers");
    }
}

async fn write_bare(store: &dyn KeyValueStore, tenant: &TenantId, times: usize) {
    for n in 0..times {
        let written = store.set(&format!("{tenant}:{KEY}"), json!(n)).await;
        written.expect("the store answers");
    }
}

/// Runs `work` for the tenant.
async fn by_acme(work: impl Future<Output = ()>) {
    let context = TenantContext::for_host(acme());
    context.scope(work).await.expect("the host may enter");
}

pub(crate) fn measure(report: &mut Report) {
    if report.wants("tenancy store") {
        stores(report);
    }
    if report.wants("tenancy check") {
        check(report);
    }
}

fn stores(report: &mut Report) {
    let runtime = two_workers();
    let database = runtime
        .block_on(SqliteDatabase::memory())
        .expect("a database in memory opens");
    let stored = runtime
        .block_on(SqliteKeyValueStore::open(database, "bench"))
        .expect("the table is made");
    let stores: [(&str, Arc<dyn KeyValueStore>, usize, f64); 2] = [
        (
            "memory",
            Arc::new(MemoryKeyValueStore::default()),
            OPERATIONS,
            0.5,
        ),
        ("SQLite", Arc::new(stored), STORED_OPERATIONS, 0.95),
    ];
    for (name, bare, times, target) in stores {
        let (isolated, tenant) = (TenantIsolatedStore::new(bare.clone()), acme());
        let floor = rate(&runtime, times, || write_bare(&*bare, &tenant, times));
        let figure = rate(&runtime, times, || by_acme(write(&isolated, times)));
        let row = format!("tenancy store set, {name}");
        report.add(&row, "ops/s", figure, ("bare store", floor), target);
        let floor = rate(&runtime, times, || read_bare(&*bare, &tenant, times));
        let figure = rate(&runtime, times, || by_acme(read(&isolated, times)));
        let row = format!("tenancy store get, {name}");
        report.add(&row, "ops/s", figure, ("bare store", floor), target);
    }
}

/// The check of every request: the tenant exists and is active. Beside it the clock and one locked map.
fn check(report: &mut Report) {
    let runtime = two_workers();
    let tenants = TenantManager::new(
        Arc::new(MemoryTenantStore::default()),
        Arc::new(SystemClock),
    );
    let config = TenantConfig::new(acme(), "Acme");
    let created = runtime.block_on(tenants.create_tenant(config.clone()));
    created.expect("the id is free");
    let map = Mutex::new(HashMap::from([(acme(), Arc::new(config))]));
    let id = acme();
    let floor = rate(&runtime, OPERATIONS, || async {
        for _ in 0..OPERATIONS {
            black_box(SystemClock.now());
            let map = map.lock().expect("nobody panicked");
            assert!(black_box(map.get(&id).cloned()).is_some());
        }
    });
    let figure = rate(&runtime, OPERATIONS, || async {
        for _ in 0..OPERATIONS {
            let tenant = tenants.get_tenant(&id).await;
            assert!(black_box(tenant).is_ok());
        }
    });
    let floor = ("clock and map", floor);
    report.add("tenancy check", "checks/s", figure, floor, 0.5);
}
