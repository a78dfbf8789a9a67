//! Kills a child at the moment that is aimed at, and reads what it left.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use llmteam::id::{RunId, TenantId};
use llmteam::persistence::{Journal, JournalEntry, RunRow, SqliteJournal};
use llmteam::sql::SqliteDatabase;
use tokio::runtime::{Builder, Runtime};

use super::server::Server;
use crate::program::{Called, Place};

/// How often it is looked whether the moment has come.
const LOOKS_EVERY: Duration = Duration::from_micros(200);

/// The moment at which a child is to be killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim {
    /// As soon as the journal has this many entries, and this much later.
    Entries(u64, Duration),
    /// This long after a call of the child has arrived.
    Call(Duration),
    /// Not at all.
    Never,
}

/// What came of an aim.
pub(super) enum Shot {
    /// The child was alive and is dead.
    Killed {
        /// A call of it was unanswered.
        in_call: bool,
    },
    /// It ended by itself before.
    Ended(Called),
}

/// Starts the program and kills it.
pub(super) fn shoot(place: &Place, mut command: Command, server: &Server, aim: Aim) -> Shot {
    server.settle();
    let stored = matches!(aim, Aim::Entries(..)).then(|| Stored::open(place));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let has_come = || match aim {
        Aim::Entries(count, _) => stored.as_ref().is_some_and(|it| it.count() >= count),
        Aim::Call(_) => server.is_in_call(),
        Aim::Never => false,
    };
    while !matches!(aim, Aim::Never) && child.try_wait().unwrap().is_none() {
        if has_come() {
            let (Aim::Entries(_, later) | Aim::Call(later)) = aim else {
                break;
            };
            if !later.is_zero() {
                thread::sleep(later);
            }
            child.kill().unwrap();
            break;
        }
        thread::sleep(LOOKS_EVERY);
    }
    let output = child.wait_with_output().unwrap();
    // After the child's end: what is open now was open when it died.
    let in_call = server.is_in_call();
    match output.status.signal() {
        Some(9) => Shot::Killed { in_call },
        _ => Shot::Ended(Called::of(&output)),
    }
}

/// The run as the database of a place has it.
pub(super) struct Stored {
    runtime: Runtime,
    journal: SqliteJournal,
    tenant: TenantId,
    run: RunId,
}

impl Stored {
    pub(super) fn open(place: &Place) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let journal = runtime.block_on(async {
            let database = SqliteDatabase::open(place.path("llmteam.db")).await;
            SqliteJournal::open(database.unwrap()).await.unwrap()
        });
        Self {
            runtime,
            journal,
            tenant: "default".parse().unwrap(),
            run: "r1".parse().unwrap(),
        }
    }

    /// The row of the run, if it has begun.
    pub(super) fn row(&self) -> Option<RunRow> {
        let row = self.journal.run(&self.tenant, &self.run);
        self.runtime.block_on(row).unwrap()
    }

    pub(super) fn entries(&self) -> Vec<JournalEntry> {
        let entries = self.journal.read(&self.tenant, &self.run, 0);
        self.runtime.block_on(entries).unwrap()
    }

    fn count(&self) -> u64 {
        self.row().map_or(0, |it| it.next_index)
    }
}
