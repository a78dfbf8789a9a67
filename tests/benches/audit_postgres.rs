//! The audit trail on Postgres: one tenant, and sixteen of them over four connections.
//!
//! The floor inserts the same rows into the same tables by several rows in a statement, in a bare loop without
//! row-level security.

use std::hint::black_box;
use std::sync::Arc;

use llmteam_security::audit::entry::Entry;
use llmteam_security::audit::{AuditStore, AuditTrail, MemoryAuditStore, PostgresAuditStore};
use llmteam_security::clock::SystemClock;
use llmteam_security::id::TenantId;
use llmteam_security::sql::postgres::testing::TestDatabase;
use sqlx::{Connection, PgConnection, Postgres, QueryBuilder};
use tokio::task::JoinSet;

use crate::audit::event;
use crate::measure::{Report, rate, two_workers};

/// Records of one measurement.
const RECORDS: usize = 16_000;
/// Records of one commit.
const COMMIT: usize = 100;
/// Writers at once, where there are many tenants.
const WRITERS: usize = 4;
const TENANTS: usize = 16;

pub(crate) fn measure(report: &mut Report) {
    let workloads = [
        ("audit/append/postgres/1", 1, 1),
        ("audit/append/postgres/16", WRITERS, TENANTS),
    ];
    if !workloads.iter().any(|(name, ..)| report.wants(name)) {
        return;
    }
    let runtime = two_workers();
    let (database, trails) = runtime.block_on(open());
    let sample: Arc<[Entry]> = runtime.block_on(sample()).into();
    for (name, writers, tenants) in workloads {
        if !report.wants(name) {
            continue;
        }
        let ours = rate(&runtime, RECORDS, || {
            let appends = (0..writers).map(|writer| {
                let own = trails[..tenants].iter().skip(writer).step_by(writers);
                append(own.cloned().collect(), RECORDS / writers)
            });
            let appends: Vec<_> = appends.collect();
            async move { drop(appends.into_iter().collect::<JoinSet<_>>().join_all().await) }
        });
        let url = database.url(None).expect("the database has an address");
        let round = std::cell::Cell::new(0_i64);
        let floor = rate(&runtime, RECORDS, || {
            round.set(round.get() + 1);
            let first = round.get() * 1_000_000;
            let inserts = (0..writers).map(|writer| {
                let tenant = format!("floor-{name}-{writer}").replace('/', "-");
                let sample = Arc::clone(&sample);
                insert(url.clone(), tenant, first, RECORDS / writers, sample)
            });
            let inserts: Vec<_> = inserts.collect();
            async move { drop(inserts.into_iter().collect::<JoinSet<_>>().join_all().await) }
        });
        let floor = ("the same rows, 100 in each commit", floor);
        report.add(name, "records/s", ours, floor, 0.7);
    }
    drop(database);
}

async fn open() -> (TestDatabase, Vec<AuditTrail>) {
    let database = TestDatabase::new().await.expect("a Postgres server");
    let owner = database.owner().await.expect("an administrator");
    PostgresAuditStore::migrate(&owner)
        .await
        .expect("the tables are made");
    let app = database.app().await.expect("a safe role");
    let store = PostgresAuditStore::open(app)
        .await
        .expect("the tables are there");
    let store: Arc<dyn AuditStore> = Arc::new(store);
    let trails = (0..TENANTS).map(|n| {
        let tenant: TenantId = format!("bench-{n}").parse().expect("the text is an id");
        AuditTrail::new(Arc::clone(&store), tenant, Arc::new(SystemClock))
    });
    (database, trails.collect())
}

async fn append(trails: Vec<AuditTrail>, records: usize) {
    for (from, trail) in (0..records).step_by(COMMIT).zip(trails.iter().cycle()) {
        let events = (from..from + COMMIT).map(event).collect();
        black_box(trail.log_all(events).await.expect("the store accepts them"));
    }
}

/// The rows of a commit.
async fn sample() -> Vec<Entry> {
    let store = Arc::new(MemoryAuditStore::new().expect("random bytes"));
    let tenant: TenantId = "bench".parse().expect("the text is an id");
    let trail = AuditTrail::new(store.clone(), tenant.clone(), Arc::new(SystemClock));
    let events = (0..COMMIT).map(event).collect();
    trail.log_all(events).await.expect("the store accepts them");
    store
        .get_by_sequence_range(&tenant, 1, COMMIT as u64)
        .await
        .expect("the store answers")
}

async fn insert(url: String, tenant: String, first: i64, records: usize, sample: Arc<[Entry]>) {
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    for from in (first..).step_by(COMMIT).take(records / COMMIT) {
        let numbered = || (from..).zip(sample.iter());
        let mut transaction = connection.begin().await.expect("it begins");
        let mut rows = QueryBuilder::<Postgres>::new(
            "INSERT INTO audit_record (tenant_id, seq, leaf, body, event_id, action, ts_us) ",
        );
        rows.push_values(numbered(), |mut row, (seq, it)| {
            let id = [seq.to_be_bytes(), seq.to_be_bytes()].concat();
            row.push_bind(&tenant)
                .push_bind(seq)
                .push_bind(it.leaf.0.as_slice())
                .push_bind(&*it.body)
                .push_bind(id)
                .push_bind(&*it.action)
                .push_bind(seq);
        });
        let written = rows.build().execute(&mut *transaction).await;
        written.expect("the rows are new");
        let mut payloads = QueryBuilder::<Postgres>::new(
            "INSERT INTO audit_payload (tenant_id, seq, dek_id, salt, bytes) ",
        );
        payloads.push_values(numbered(), |mut row, (seq, it)| {
            let stored = it.payload.as_ref().map_or(&[][..], |it| it.stored());
            row.push_bind(&tenant)
                .push_bind(seq)
                .push_bind(None::<&str>)
                .push_bind(it.leaf.0.as_slice())
                .push_bind(stored);
        });
        let written = payloads.build().execute(&mut *transaction).await;
        written.expect("the rows are new");
        transaction.commit().await.expect("it commits");
    }
}
