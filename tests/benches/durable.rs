//! Durable steps on SQLite: a step starts only when the result of the one before it is on disk.
//!
//! The floor issues the same statements, from the same schema, in a bare loop: one row in each commit for
//! one run at a time, 64 rows in each commit for 64 runs at once.

use std::path::Path;
use std::sync::Arc;

use llmteam::canvas::runner::{PreparedSegment, SegmentRunner};
use llmteam::persistence::SqliteJournal;
use llmteam::sql::SqliteDatabase;
use rusqlite::{Connection, params_from_iter};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::graph::{catalog, chain, run_one};
use crate::measure::{Report, plain_rate, rate, two_workers};

/// Steps of one run.
const STEPS: usize = 10;

/// A record's body, as long as that of a small step's result.
const BODY: &str = r#"{"time":1790000000000000,"first_event":21,"active_us":1234,"kind":"step_ended","step":9,"result":{"ok":{"n":1}}}"#;

const SCHEMA: &str =
    include_str!("../../crates/llmteam-workflow/src/persistence/migrations/0001_journal.sql");

pub(crate) fn measure(report: &mut Report) {
    let runtime = two_workers();
    if report.wants("durable/sqlite/c1") {
        let ours = ours(&runtime, 200, 1);
        let floor = floor(2_000, 1);
        report.add(
            "durable/sqlite/c1",
            "steps/s",
            ours,
            ("one row in each commit", floor),
            0.7,
        );
    }
    if report.wants("durable/sqlite/c64") {
        let ours = ours(&runtime, 1_000, 64);
        let floor = floor(20_000, 64);
        report.add(
            "durable/sqlite/c64",
            "steps/s",
            ours,
            ("64 rows in each commit", floor),
            0.7,
        );
    }
}

/// Steps per second of `runs` runs, `at_once` of them in flight.
fn ours(runtime: &Runtime, runs: usize, at_once: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let (runner, segment) = runtime.block_on(durable(&folder.path().join("runs.db")));
    rate(runtime, runs * STEPS, || {
        let (runner, segment) = (runner.clone(), segment.clone());
        async move {
            let slots = Arc::new(Semaphore::new(at_once));
            let mut all = JoinSet::new();
            for _ in 0..runs {
                let slot = Arc::clone(&slots)
                    .acquire_owned()
                    .await
                    .expect("the semaphore stays open");
                let (runner, segment) = (runner.clone(), segment.clone());
                all.spawn(async move {
                    let output = run_one(&runner, &segment).await;
                    drop(slot);
                    output
                });
            }
            assert_eq!(all.join_all().await.len(), runs);
        }
    })
}

async fn durable(path: &Path) -> (SegmentRunner, PreparedSegment) {
    let database = SqliteDatabase::open(path)
        .await
        .expect("the database opens");
    let journal = SqliteJournal::open(database)
        .await
        .expect("the journal opens");
    let runner = SegmentRunner::builder()
        .catalog(catalog())
        .journal(Arc::new(journal))
        .without_events()
        .build();
    let segment = runner.prepare(&chain(STEPS)).expect("the segment is valid");
    (runner, segment)
}

/// Rows per second of a bare loop with `rows` journal rows, each of another run, in each commit.
fn floor(total: usize, rows: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let database = Connection::open(folder.path().join("floor.db")).expect("the database opens");
    database
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        .expect("the database is configured");
    database.execute_batch(SCHEMA).expect("the schema is valid");
    for run in 1..=rows {
        database
            .execute(
                "INSERT INTO runs (tenant_id, run_id, instance_id, segment_id, definition, format, started_at, epoch,
                                   next_index, updated_at, state)
                 VALUES ('bench', ?1, ?1, 'chain', 'digest', 1, 0, 1, 0, 0, 'running')",
                [run.to_string()],
            )
            .expect("a run is created");
    }
    let values = vec![
        "(?, 1, ?, 'step_result', 's9', 1790000000000000, 7, ?, 'running', 0, NULL, NULL)";
        rows
    ];
    let text = format!(
        "INSERT INTO journal_append
           (run_key, epoch, idx, kind, step_id, time, crc, body, state, ends, wake_at, summary)
         VALUES {}",
        values.join(", ")
    );
    let mut index = 0_usize;
    plain_rate(total, || {
        let mut statement = database
            .prepare_cached(&text)
            .expect("the statement is valid");
        for _ in 0..total / rows {
            let cells =
                (1..=rows).flat_map(|run| [run.to_string(), index.to_string(), BODY.to_owned()]);
            statement
                .execute(params_from_iter(cells))
                .expect("the rows are written");
            index += 1;
        }
    })
}
