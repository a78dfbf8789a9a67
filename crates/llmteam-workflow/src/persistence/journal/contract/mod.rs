//! What every journal keeps to, checked on two handles that stand for two processes.

mod owning;
mod rows;
mod writing;

use std::{any::Any, sync::Arc};

use llmteam_security::clock::Timestamp;
use serde_json::json;

use super::{Journal, JournalEntry, JournalVersion};
use crate::persistence::{
    error::JournalError,
    lease::{Lease, Owner},
    run::{NewRun, RunFilter, RunRow, RunState, RunUpdate},
};

/// One journal seen by two processes.
pub(super) struct Two {
    pub(super) here: Arc<dyn Journal>,
    pub(super) there: Arc<dyn Journal>,
    /// What the journal lives in.
    pub(super) _home: Box<dyn Any>,
}

/// Runs the whole suite, each case on a journal of its own.
pub(super) async fn check(open: impl AsyncFn() -> Two) {
    writing::what_is_written_is_read(open().await).await;
    owning::a_run_is_created_once(open().await).await;
    rows::tenants_see_nothing_of_each_other(open().await).await;
    writing::an_entry_follows_the_last_one(open().await).await;
    owning::a_stale_owner_is_fenced(open().await).await;
    owning::a_run_is_claimed_when_nobody_alive_owns_it(open().await).await;
    owning::an_ended_run_takes_nothing_more(open().await).await;
    writing::an_empty_batch_stores_the_update(open().await).await;
    owning::claims_without_progress_are_counted(open().await).await;
    writing::what_is_not_text_is_refused(open().await).await;
    rows::runs_are_listed_newest_first(open().await).await;
    rows::the_first_definition_stays(open().await).await;
    rows::a_start_key_is_bound_once(open().await).await;
    writing::many_runs_at_once(open().await).await;
}

pub(super) fn new_run(tenant: &str, run: &str) -> NewRun {
    NewRun {
        tenant: tenant.parse().unwrap(),
        instance: "shared".parse().unwrap(),
        run: run.parse().unwrap(),
        segment: "draft".parse().unwrap(),
        definition: "0f".repeat(32),
        started_at: Timestamp::from_micros(1_000_000),
        parent: None,
        audit: Vec::new(),
    }
}

pub(super) fn entry(index: u64) -> JournalEntry {
    JournalEntry {
        index,
        kind: "step_ended".into(),
        step: (!index.is_multiple_of(3)).then(|| format!("step_{index}").parse().unwrap()),
        time: Timestamp::from_micros(2_000_000 + index as i64),
        body: json!({ "n": index, "text": "é\"\n\u{1F600}" })
            .to_string()
            .into_bytes(),
    }
}

pub(super) fn entries(indices: std::ops::Range<u64>) -> Vec<JournalEntry> {
    indices.map(entry).collect()
}

pub(super) fn to(state: RunState) -> RunUpdate {
    RunUpdate {
        state,
        summary: None,
        wake_at: None,
        audit: Vec::new(),
    }
}

/// A live process that cannot be seen from here.
pub(super) fn elsewhere(pid: u32) -> Owner {
    Owner::new("elsewhere", pid, 1)
}

/// A process of this host that ended and whose id this one has now.
pub(super) fn gone(nth: u64) -> Owner {
    let here = Owner::current();
    Owner::new(here.host(), here.pid(), here.process_started() ^ (nth + 1))
}

async fn row(journal: &dyn Journal, lease: &Lease) -> RunRow {
    let row = journal.run(&lease.tenant, &lease.run).await.unwrap();
    row.unwrap()
}

async fn stored(journal: &dyn Journal, lease: &Lease) -> Vec<JournalEntry> {
    journal.read(&lease.tenant, &lease.run, 0).await.unwrap()
}
