//! What a file must keep to beyond the contract: nothing acknowledged is lost, nothing damaged is believed.

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use futures_util::future::join_all;
use llmteam_security::sql::SqliteDatabase;
use sqlx::AssertSqlSafe;

use super::super::contract::{self, Two, elsewhere, entries, entry, gone, new_run, to};
use super::*;
use crate::persistence::journal::JournalVersion;

/// Two processes that have opened one new file.
pub(in super::super) async fn two_files() -> Two {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("journal.db");
    let open = async || {
        let database = SqliteDatabase::open(&path).await.unwrap();
        Arc::new(SqliteJournal::open(database).await.unwrap())
    };
    Two {
        here: open().await,
        there: open().await,
        _home: Box::new(home),
    }
}

async fn memory() -> SqliteJournal {
    let database = SqliteDatabase::memory().await.unwrap();
    SqliteJournal::open(database).await.unwrap()
}

#[tokio::test]
async fn a_file_keeps_the_contract() {
    contract::check(two_files).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_keeps_the_contract_on_several_threads() {
    contract::check(two_files).await;
}

#[tokio::test]
async fn a_database_in_memory_keeps_the_contract() {
    contract::check(async || {
        let journal = Arc::new(memory().await);
        Two {
            here: journal.clone(),
            there: journal,
            _home: Box::new(()),
        }
    })
    .await;
}

/// The files as they stand at the moment of the acknowledgement are what a kill leaves behind.
#[tokio::test]
async fn what_is_acknowledged_survives_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(home.path().join("live.db"))
        .await
        .unwrap();
    let journal = SqliteJournal::open(database).await.unwrap();
    let lease = journal
        .create(new_run("acme", "run_1"), &gone(0), entries(0..1))
        .await
        .unwrap();
    for next in 1..20 {
        journal
            .append(&lease, entries(next..next + 1), to(RunState::Running))
            .await
            .unwrap();
        let copy = home.path().join(format!("copy-{next}.db"));
        for suffix in ["", "-wal"] {
            let file = |stem: &str| home.path().join(format!("{stem}.db{suffix}"));
            std::fs::copy(file("live"), file(&format!("copy-{next}"))).unwrap();
        }
        let database = SqliteDatabase::open(&copy).await.unwrap();
        let later = SqliteJournal::open(database).await.unwrap();
        let taken = later
            .claim(&lease.tenant, &lease.run, &elsewhere(1))
            .await
            .unwrap();
        assert_eq!(taken.epoch, 2);
        assert_eq!(
            later.read(&lease.tenant, &lease.run, 0).await.unwrap(),
            entries(0..next + 1)
        );
    }
}

#[tokio::test]
async fn who_does_not_wait_is_written_all_the_same() {
    let journal = memory().await;
    let lease = journal
        .create(new_run("acme", "run_1"), &gone(0), entries(0..1))
        .await
        .unwrap();
    let mut append = journal.append(&lease, entries(1..2), to(RunState::Running));
    let mut context = Context::from_waker(Waker::noop());
    assert!(append.as_mut().poll(&mut context).is_pending());
    drop(append);
    // A later append of the same lease stands behind it.
    journal
        .append(&lease, entries(2..3), to(RunState::Running))
        .await
        .unwrap();
    assert_eq!(
        journal.read(&lease.tenant, &lease.run, 0).await.unwrap(),
        entries(0..3)
    );
}

#[tokio::test]
async fn appends_of_one_lease_that_overtake_each_other_are_a_gap() {
    let journal = memory().await;
    let lease = journal
        .create(new_run("acme", "run_1"), &gone(0), entries(0..1))
        .await
        .unwrap();
    let at_once = [1, 1, 2, 4]
        .map(|next| journal.append(&lease, entries(next..next + 1), to(RunState::Running)));
    let results = join_all(at_once).await;
    let gap = |expected, found| {
        Err(JournalError::Gap {
            run: lease.run.clone(),
            expected,
            found,
        })
    };
    assert_eq!(results, [Ok(()), gap(2, 1), Ok(()), gap(3, 4)]);
    assert_eq!(
        journal.read(&lease.tenant, &lease.run, 0).await.unwrap(),
        entries(0..3)
    );
}

#[test]
fn writing_ends_with_its_runtime_and_says_so() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let (journal, lease) = first.block_on(async {
        let journal = memory().await;
        let lease = journal
            .create(new_run("acme", "run_1"), &gone(0), entries(0..1))
            .await;
        (journal, lease.unwrap())
    });
    drop(first);
    let refused = runtime().block_on(journal.append(&lease, entries(1..2), to(RunState::Running)));
    assert!(
        matches!(refused, Err(JournalError::Unavailable(_))),
        "{refused:?}"
    );
}

/// Two runs of three entries, in a file that is then changed by hand.
async fn after(damage: &str) -> (Result<Vec<JournalEntry>, JournalError>, SqliteJournal) {
    let journal = memory().await;
    for run in ["run_1", "run_2"] {
        let lease = journal
            .create(new_run("acme", run), &gone(0), entries(0..2))
            .await
            .unwrap();
        let lease = journal
            .claim(&lease.tenant, &lease.run, &gone(1))
            .await
            .unwrap();
        journal
            .append(&lease, entries(2..4), to(RunState::Running))
            .await
            .unwrap();
    }
    let mut writer = journal.database.writer().await;
    sqlx::raw_sql(AssertSqlSafe(damage.to_owned()))
        .execute(&mut *writer)
        .await
        .unwrap();
    drop(writer);
    let run = new_run("acme", "run_1");
    (journal.read(&run.tenant, &run.run, 0).await, journal)
}

#[tokio::test]
async fn nothing_damaged_is_believed() {
    assert_eq!(after("").await.0.unwrap(), entries(0..4));
    let cases = [
        (
            "UPDATE journal SET body = replace(body, '1', '2') WHERE run_key = 1 AND idx = 1",
            "checksum",
        ),
        (
            "UPDATE journal SET kind = 'step_begun' WHERE run_key = 1 AND idx = 3",
            "checksum",
        ),
        (
            "UPDATE journal SET step_id = NULL WHERE run_key = 1 AND idx = 1",
            "checksum",
        ),
        (
            "UPDATE journal SET time = time + 1 WHERE run_key = 1 AND idx = 0",
            "checksum",
        ),
        (
            "UPDATE journal SET crc = crc + 1 WHERE run_key = 1 AND idx = 0",
            "checksum",
        ),
        (
            "UPDATE journal SET epoch = 2 WHERE run_key = 1 AND idx = 1",
            "checksum",
        ),
        (
            "UPDATE journal SET epoch = 3 WHERE run_key = 1 AND idx = 3",
            "out of turn",
        ),
        (
            "UPDATE journal SET epoch = 1 WHERE run_key = 1 AND idx = 3",
            "out of turn",
        ),
        (
            "UPDATE journal SET crc = -1 WHERE run_key = 1 AND idx = 0",
            "",
        ),
        (
            "UPDATE journal SET step_id = 'No Step' WHERE run_key = 1 AND idx = 1",
            "",
        ),
        (
            "UPDATE journal SET body = CAST(x'22ff22' AS TEXT) WHERE run_key = 1 AND idx = 1",
            "",
        ),
        (
            "DELETE FROM journal WHERE run_key = 1 AND idx = 0",
            "entry 0 is missing",
        ),
        (
            "DELETE FROM journal WHERE run_key = 1 AND idx = 2",
            "entry 2 is missing",
        ),
        (
            "DELETE FROM journal WHERE run_key = 1 AND idx = 3",
            "entry 3 is missing",
        ),
        (
            "DELETE FROM journal WHERE run_key = 1",
            "entry 0 is missing",
        ),
        (
            "UPDATE runs SET next_index = 2 WHERE run_key = 1",
            "entry 2 should not be there",
        ),
        // Whole rows of another run: every index and every length fits.
        (
            "DELETE FROM journal WHERE run_key = 1; UPDATE journal SET run_key = 1 WHERE run_key = 2",
            "checksum",
        ),
        (
            "UPDATE runs SET run_key = run_key + 2; UPDATE runs SET run_key = 4 - run_key + 1",
            "checksum",
        ),
    ];
    for (damage, reason) in cases {
        match after(damage).await.0 {
            Err(JournalError::Corrupt { reason: found, .. }) => {
                assert!(found.contains(reason), "{damage}: {found}");
            }
            other => panic!("{damage}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn damage_of_one_run_leaves_others_and_the_list_alone() {
    let (damaged, journal) = after("UPDATE journal SET body = '{}' WHERE run_key = 1").await;
    assert!(damaged.is_err());
    let other = new_run("acme", "run_2");
    assert_eq!(
        journal.read(&other.tenant, &other.run, 0).await.unwrap(),
        entries(0..4)
    );
    assert_eq!(
        journal
            .runs(&other.tenant, RunFilter::default())
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_damaged_page_is_damage_and_not_an_outage() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("journal.db");
    let run = new_run("acme", "run_1");
    {
        let database = SqliteDatabase::open(&path).await.unwrap();
        let journal = SqliteJournal::open(database.clone()).await.unwrap();
        let lease = journal
            .create(run.clone(), &gone(0), entries(0..1))
            .await
            .unwrap();
        let wide = |index| JournalEntry {
            body: format!("\"{}\"", "x".repeat(3000)).into_bytes(),
            ..entry(index)
        };
        let batch = (1..20).map(wide).collect();
        journal
            .append(&lease, batch, to(RunState::Running))
            .await
            .unwrap();
        let mut writer = database.writer().await;
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut *writer)
            .await
            .unwrap();
    }
    let mut file = std::fs::read(&path).unwrap();
    let pages = file.len() / 4096;
    assert!(pages > 30, "{pages}");
    // The last pages hold nothing but entries.
    file[(pages - 6) * 4096..].fill(0xa5);
    let copy = home.path().join("damaged.db");
    std::fs::write(&copy, file).unwrap();
    let database = SqliteDatabase::open(&copy).await.unwrap();
    let journal = SqliteJournal::open(database).await.unwrap();
    let read = journal.read(&run.tenant, &run.run, 0).await;
    assert!(
        matches!(read, Err(JournalError::Corrupt { .. })),
        "{read:?}"
    );
}

#[tokio::test]
async fn a_newer_format_is_refused_and_listed() {
    let (read, journal) = after("UPDATE runs SET format = 2 WHERE run_key = 1").await;
    let run = new_run("acme", "run_1");
    let newer = JournalError::NewerFormat {
        run: run.run.clone(),
        found: JournalVersion::new(2),
    };
    assert_eq!(read.unwrap_err(), newer);
    assert_eq!(
        journal
            .claim(&run.tenant, &run.run, &elsewhere(1))
            .await
            .unwrap_err(),
        newer
    );
    let row = journal.run(&run.tenant, &run.run).await.unwrap().unwrap();
    assert_eq!(row.version, JournalVersion::new(2));
    // Readers accept older.
    assert!(after("UPDATE runs SET format = 0").await.0.is_ok());
}

/// The fence is the database's: whoever writes past this module is refused too.
#[tokio::test]
async fn the_database_itself_refuses_what_does_not_follow() {
    let journal = memory().await;
    journal
        .create(new_run("acme", "run_1"), &gone(0), entries(0..1))
        .await
        .unwrap();
    let mut writer = journal.database.writer().await;
    for (epoch, idx, follows) in [
        (0, 1, false),
        (2, 1, false),
        (1, 0, false),
        (1, 2, false),
        (1, 1, true),
    ] {
        let row = format!("(1, {epoch}, {idx}, 'k', 0, 0, '{{}}', 'running')");
        let sql = format!(
            "INSERT INTO journal_append (run_key, epoch, idx, kind, time, crc, body, state) VALUES {row}"
        );
        let result = sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *writer)
            .await;
        assert_eq!(result.is_ok(), follows, "{row}");
    }
}

#[tokio::test]
async fn two_processes_that_write_at_once_wait_for_each_other() {
    let two = two_files().await;
    let write = |journal: Arc<dyn Journal>, run: &'static str| async move {
        let lease = journal
            .create(new_run("acme", run), &elsewhere(1), entries(0..1))
            .await
            .unwrap();
        for next in 1..60 {
            journal
                .append(&lease, entries(next..next + 1), to(RunState::Running))
                .await
                .unwrap();
        }
    };
    let both = [
        tokio::spawn(write(two.here.clone(), "run_1")),
        tokio::spawn(write(two.there.clone(), "run_2")),
    ];
    for task in both {
        task.await.unwrap();
    }
    for run in ["run_1", "run_2"] {
        let run = new_run("acme", run);
        assert_eq!(
            two.here.read(&run.tenant, &run.run, 0).await.unwrap(),
            entries(0..60)
        );
    }
}
