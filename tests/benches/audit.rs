//! The audit trail: appending in memory and to SQLite, and verifying 100,000 records.
//!
//! The floor in memory writes the same canonical JSON with serde_json and hashes the same bytes with sha2: payload, body
//! and one node of the tree for each record. The floor on SQLite inserts the same rows in a bare loop.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use llmteam_security::audit::entry::Entry;
use llmteam_security::audit::lta1::Record;
use llmteam_security::audit::verify::{Verifier, VerifyOptions};
use llmteam_security::audit::{
    AuditEvent, AuditEventType, AuditStore, AuditTrail, MemoryAuditStore, SqliteAuditStore,
};
use llmteam_security::clock::SystemClock;
use llmteam_security::id::TenantId;
use llmteam_security::sql::SqliteDatabase;
use rusqlite::Connection;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::measure::{Report, plain_rate, prepared_rate, rate, two_workers};

const RECORDS: usize = 100_000;
const STORED: usize = 20_000;
/// Records of one commit.
const COMMIT: usize = 100;

const SCHEMA: &str =
    include_str!("../../crates/llmteam-security/src/audit/store/migrations/sqlite_0001_audit.sql");

/// What is asked of the compiled hash: `audit-aws-lc` has to gain what sha2 cannot.
const fn target(default: f64, aws_lc: f64) -> f64 {
    if cfg!(feature = "audit-aws-lc") {
        aws_lc
    } else {
        default
    }
}

pub(crate) fn measure(report: &mut Report) {
    let names = [
        "audit/append/memory",
        "audit/append/memory/256",
        "audit/verify/1",
        "audit/verify/2",
        "audit/append/sqlite",
    ];
    if !names.iter().any(|name| report.wants(name)) {
        return;
    }
    let runtime = two_workers();
    let sample = runtime.block_on(sample());
    let floor = bare_hashing(&sample);
    for (name, batch) in [("audit/append/memory", 1), ("audit/append/memory/256", 256)] {
        if report.wants(name) {
            let ours = append(&runtime, batch);
            let target = target(0.85, 1.45);
            let floor = ("the same bytes written and hashed", floor);
            report.add(name, "records/s", ours, floor, target);
        }
    }
    for (threads, aim) in [(1, target(0.85, 1.6)), (2, target(0.85, 1.5))] {
        let name = format!("audit/verify/{threads}");
        if report.wants(&name) {
            let ours = verify(&sample, threads);
            // Two threads are held against two threads of the floor.
            let floor = floor * threads as f64;
            let floor = ("the same bytes written and hashed, per thread", floor);
            report.add(&name, "records/s", ours, floor, aim);
        }
    }
    if report.wants("audit/append/sqlite") {
        let ours = append_durably(&runtime);
        let floor = bare_inserts(&sample);
        let floor = ("the same rows, 100 in each commit", floor);
        report.add("audit/append/sqlite", "records/s", ours, floor, 0.7);
    }
}

/// About 800 bytes of canonical JSON.
pub(crate) fn event(n: usize) -> AuditEvent {
    let payload = Map::from_iter([("payload".to_owned(), Value::from("x".repeat(380)))]);
    AuditEvent::new(AuditEventType::ActionCompleted)
        .with_run(format!("run_{}", n % 100))
        .with_action("call")
        .on("tool", "search")
        .with_metadata(payload)
}

fn tenant() -> TenantId {
    "bench".parse().expect("the text is an id")
}

fn trail(store: Arc<dyn AuditStore>) -> AuditTrail {
    AuditTrail::new(store, tenant(), Arc::new(SystemClock))
}

/// A log of [`RECORDS`] records.
async fn sample() -> Vec<Entry> {
    let store = Arc::new(MemoryAuditStore::new().expect("random bytes"));
    let events = (0..RECORDS).map(event).collect();
    let logged = trail(store.clone()).log_all(events).await;
    logged.expect("the store accepts them");
    let tenant = tenant();
    let range = store.get_by_sequence_range(&tenant, 0, RECORDS as u64);
    range.await.expect("the store answers")
}

/// Records per second into memory, `batch` in each call. Making the events is part of neither side.
fn append(runtime: &Runtime, batch: usize) -> f64 {
    let events: Vec<Vec<AuditEvent>> = (0..RECORDS)
        .collect::<Vec<_>>()
        .chunks(batch)
        .map(|piece| piece.iter().map(|n| event(*n)).collect())
        .collect();
    let made = || {
        let store = MemoryAuditStore::new().expect("random bytes");
        (trail(Arc::new(store)), events.clone())
    };
    prepared_rate(runtime, RECORDS, made, |(trail, events)| async move {
        for piece in events {
            black_box(trail.log_all(piece).await.expect("the store accepts them"));
        }
    })
}

fn bare_hashing(sample: &[Entry]) -> f64 {
    let payload = |entry: &Entry| {
        let bytes = entry.payload.as_ref().map_or(&[][..], |it| it.stored());
        serde_json::from_slice::<Value>(bytes).expect("a payload is JSON")
    };
    let values: Vec<Value> = sample.iter().skip(1).take(1_000).map(payload).collect();
    let body = &*sample[1].body;
    plain_rate(RECORDS, || {
        let mut last = [0; 32];
        for n in 0..RECORDS {
            let json = serde_json::to_vec(&values[n % values.len()]).expect("JSON is written");
            let mut hash = Sha256::new();
            hash.update([0; 57]);
            hash.update(&json);
            let commit: [u8; 32] = hash.finalize().into();
            let mut hash = Sha256::new();
            hash.update(commit);
            hash.update(&body[33..]);
            let leaf: [u8; 32] = hash.finalize().into();
            let mut hash = Sha256::new();
            hash.update(last);
            hash.update(leaf);
            hash.update([1]);
            last = hash.finalize().into();
        }
        black_box(last);
    })
}

fn verify(sample: &[Entry], threads: usize) -> f64 {
    let genesis = Record::decode(&sample[0].body).expect("the first record decodes");
    plain_rate(RECORDS, || {
        let options = VerifyOptions {
            threads,
            ..VerifyOptions::default()
        };
        let mut verifier = Verifier::new(genesis.origin, options);
        sample.chunks(4_096).for_each(|piece| verifier.push(piece));
        assert!(black_box(verifier.finish(None)).is_valid());
    })
}

/// Records per second onto disk, [`COMMIT`] in each commit.
fn append_durably(runtime: &Runtime) -> f64 {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let path = folder.path().join("audit.db");
    let trail = runtime.block_on(async {
        let database = SqliteDatabase::open(path)
            .await
            .expect("the database opens");
        let store = SqliteAuditStore::open(database).await;
        trail(Arc::new(store.expect("the store opens")))
    });
    rate(runtime, STORED, || {
        let trail = trail.clone();
        async move {
            for from in (0..STORED).step_by(COMMIT) {
                let events = (from..from + COMMIT).map(event).collect();
                black_box(trail.log_all(events).await.expect("the store accepts them"));
            }
        }
    })
}

fn bare_inserts(sample: &[Entry]) -> f64 {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let database = open_bare(&folder.path().join("floor.db"));
    let mut next = 0_i64;
    plain_rate(STORED, || {
        for _ in 0..STORED / COMMIT {
            database
                .execute_batch("BEGIN IMMEDIATE")
                .expect("it begins");
            {
                let mut record = database
                    .prepare_cached("INSERT INTO audit_record VALUES ('t', ?1, ?2, ?3, ?4, 'action.completed', 1)")
                    .expect("the statement is valid");
                let mut payload = database
                    .prepare_cached("INSERT INTO audit_payload VALUES ('t', ?1, NULL, ?2, ?3)")
                    .expect("the statement is valid");
                for _ in 0..COMMIT {
                    let entry = &sample[1 + usize::try_from(next).unwrap_or(0) % RECORDS];
                    let stored = entry.payload.as_ref().map_or(&[][..], |it| it.stored());
                    let id = [next.to_be_bytes(), next.to_be_bytes()].concat();
                    record
                        .execute((next, &entry.leaf.0[..], &*entry.body, id))
                        .expect("the row is new");
                    payload
                        .execute((next, &entry.leaf.0[..], stored))
                        .expect("the row is new");
                    next += 1;
                }
            }
            database.execute_batch("COMMIT").expect("it commits");
        }
    })
}

fn open_bare(path: &Path) -> Connection {
    let database = Connection::open(path).expect("the database opens");
    database
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        .expect("the database is configured");
    database.execute_batch(SCHEMA).expect("the schema is valid");
    database
}
