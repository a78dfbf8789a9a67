//! What every journal keeps to, checked on two handles that stand for two processes.

use std::{any::Any, sync::Arc};

use futures_util::future::join_all;
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
    what_is_written_is_read(open().await).await;
    a_run_is_created_once(open().await).await;
    tenants_see_nothing_of_each_other(open().await).await;
    an_entry_follows_the_last_one(open().await).await;
    a_stale_owner_is_fenced(open().await).await;
    a_run_is_claimed_when_nobody_alive_owns_it(open().await).await;
    an_ended_run_takes_nothing_more(open().await).await;
    an_empty_batch_stores_the_update(open().await).await;
    claims_without_progress_are_counted(open().await).await;
    what_is_not_text_is_refused(open().await).await;
    runs_are_listed_newest_first(open().await).await;
    the_first_definition_stays(open().await).await;
    many_runs_at_once(open().await).await;
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

async fn what_is_written_is_read(it: Two) {
    let run = NewRun {
        parent: Some("parent.1".parse().unwrap()),
        ..new_run("acme", "run_1")
    };
    let lease = it
        .here
        .create(run.clone(), &elsewhere(1), entries(0..2))
        .await
        .unwrap();
    let update = RunUpdate {
        state: RunState::Waiting,
        summary: Some(json!({"status": "waiting", "output": {"n": 1.5}})),
        wake_at: Some(Timestamp::from_micros(9_000_000)),
    };
    it.here
        .append(&lease, entries(2..5), update.clone())
        .await
        .unwrap();

    assert_eq!(stored(&*it.there, &lease).await, entries(0..5));
    for from in [0, 1, 4, 5, 6, u64::MAX] {
        let read = it
            .there
            .read(&lease.tenant, &lease.run, from)
            .await
            .unwrap();
        assert_eq!(read, entries(from.min(5)..5), "from {from}");
    }
    let expected = RunRow {
        tenant: run.tenant,
        instance: run.instance,
        run: run.run,
        segment: run.segment,
        definition: run.definition,
        started_at: run.started_at,
        parent: run.parent,
        state: update.state,
        summary: update.summary,
        wake_at: update.wake_at,
        updated_at: entry(4).time,
        next_index: 5,
        epoch: 1,
        idle_claims: 0,
        owner: Some(elsewhere(1)),
        version: JournalVersion::CURRENT,
    };
    assert_eq!(row(&*it.there, &lease).await, expected);

    it.here
        .append(&lease, entries(5..6), to(RunState::Running))
        .await
        .unwrap();
    let row = row(&*it.there, &lease).await;
    assert_eq!(
        (row.state, row.summary, row.wake_at),
        (RunState::Running, None, None)
    );
}

async fn a_run_is_created_once(it: Two) {
    let owners = [elsewhere(1), elsewhere(2)];
    let both = [&it.here, &it.there]
        .into_iter()
        .zip(&owners)
        .flat_map(|pair| [pair; 3]);
    let tries =
        both.map(|(journal, owner)| journal.create(new_run("acme", "run_1"), owner, entries(0..1)));
    let (made, refused): (Vec<_>, Vec<_>) =
        join_all(tries).await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    let run = "run_1".parse().unwrap();
    for refusal in refused {
        assert_eq!(
            refusal.unwrap_err(),
            JournalError::RunExists {
                run: new_run("acme", "run_1").run
            }
        );
    }
    let tenant = "acme".parse().unwrap();
    assert_eq!(it.here.read(&tenant, &run, 0).await.unwrap(), entries(0..1));

    let empty = it
        .here
        .create(new_run("acme", "run_2"), &owners[0], Vec::new())
        .await
        .unwrap();
    assert_eq!(row(&*it.there, &empty).await.state, RunState::Pending);
    assert_eq!(stored(&*it.there, &empty).await, []);
    it.here
        .append(&empty, entries(0..1), to(RunState::Running))
        .await
        .unwrap();
    let wrong = it
        .here
        .create(new_run("acme", "run_3"), &owners[0], entries(1..2))
        .await;
    assert!(matches!(
        wrong,
        Err(JournalError::Gap {
            expected: 0,
            found: 1,
            ..
        })
    ));
    assert_eq!(
        it.here
            .run(&tenant, &"run_3".parse().unwrap())
            .await
            .unwrap(),
        None
    );
}

async fn tenants_see_nothing_of_each_other(it: Two) {
    let lease = it
        .here
        .create(new_run("acme", "run_1"), &gone(0), entries(0..2))
        .await
        .unwrap();
    it.here
        .put_definition(&lease.tenant, "hash", "{}")
        .await
        .unwrap();
    let other = "acm".parse().unwrap();
    let run = &lease.run;
    assert_eq!(it.here.run(&other, run).await.unwrap(), None);
    assert_eq!(
        it.here.runs(&other, RunFilter::default()).await.unwrap(),
        []
    );
    assert_eq!(it.here.definition(&other, "hash").await.unwrap(), None);
    let unknown = JournalError::RunNotFound { run: run.clone() };
    assert_eq!(it.here.read(&other, run, 0).await.unwrap_err(), unknown);
    assert_eq!(
        it.here.claim(&other, run, &elsewhere(1)).await.unwrap_err(),
        unknown
    );

    let theirs = it
        .there
        .create(new_run("acm", "run_1"), &elsewhere(1), entries(0..1))
        .await
        .unwrap();
    it.there
        .append(&theirs, entries(1..2), to(RunState::Completed))
        .await
        .unwrap();
    assert_eq!(row(&*it.here, &lease).await.state, RunState::Running);
}

async fn an_entry_follows_the_last_one(it: Two) {
    let lease = it
        .here
        .create(new_run("acme", "run_1"), &elsewhere(1), entries(0..2))
        .await
        .unwrap();
    for (batch, expected, found) in [
        (entries(3..4), 2, 3),
        (entries(1..3), 2, 1),
        (entries(0..1), 2, 0),
        (vec![entry(2), entry(4)], 3, 4),
        (vec![entry(2), entry(2)], 3, 2),
    ] {
        let refused = it
            .here
            .append(&lease, batch, to(RunState::Completed))
            .await
            .unwrap_err();
        assert_eq!(
            refused,
            JournalError::Gap {
                run: lease.run.clone(),
                expected,
                found
            }
        );
    }
    assert_eq!(stored(&*it.there, &lease).await, entries(0..2));
    assert_eq!(row(&*it.there, &lease).await.state, RunState::Running);
    it.here
        .append(&lease, entries(2..4), to(RunState::Running))
        .await
        .unwrap();
    assert_eq!(stored(&*it.there, &lease).await, entries(0..4));
}

async fn a_stale_owner_is_fenced(it: Two) {
    let first = it
        .here
        .create(new_run("acme", "run_1"), &gone(0), entries(0..1))
        .await
        .unwrap();
    let second = it
        .there
        .claim(&first.tenant, &first.run, &elsewhere(2))
        .await
        .unwrap();
    assert_eq!(second.epoch, 2);
    let fenced = JournalError::Fenced {
        run: first.run.clone(),
        epoch: 1,
    };
    for batch in [entries(1..2), entries(7..8), Vec::new()] {
        let refused = it
            .here
            .append(&first, batch, to(RunState::Completed))
            .await
            .unwrap_err();
        assert_eq!(refused, fenced);
    }
    it.there
        .append(&second, entries(1..3), to(RunState::Waiting))
        .await
        .unwrap();
    assert_eq!(stored(&*it.here, &second).await, entries(0..3));
    // Its release is no release of the new owner.
    it.here.release(first).await.unwrap();
    let row = row(&*it.here, &second).await;
    assert_eq!(
        (row.state, row.owner),
        (RunState::Waiting, Some(elsewhere(2)))
    );
}

async fn a_run_is_claimed_when_nobody_alive_owns_it(it: Two) {
    let lease = it
        .here
        .create(new_run("acme", "run_1"), &elsewhere(1), entries(0..1))
        .await
        .unwrap();
    let (tenant, run) = (lease.tenant.clone(), lease.run.clone());
    let refused = it
        .there
        .claim(&tenant, &run, &elsewhere(2))
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        JournalError::RunActive {
            run: run.clone(),
            owner: elsewhere(1)
        }
    );
    assert_eq!(row(&*it.here, &lease).await.epoch, 1);

    // The same process again, after a failure within it.
    let again = it.here.claim(&tenant, &run, &elsewhere(1)).await.unwrap();
    it.here.release(again).await.unwrap();
    assert_eq!(row(&*it.here, &lease).await.owner, None);

    // A released run, by a process that then dies; then by one that takes over from the dead.
    let dead = it.there.claim(&tenant, &run, &gone(0)).await.unwrap();
    let next = it.here.claim(&tenant, &run, &gone(1)).await.unwrap();
    let last = it
        .here
        .claim(&tenant, &run, &Owner::current())
        .await
        .unwrap();
    assert_eq!([dead.epoch, next.epoch, last.epoch], [3, 4, 5]);
    let refused = it
        .there
        .claim(&tenant, &run, &elsewhere(2))
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        JournalError::RunActive {
            run: run.clone(),
            owner: Owner::current()
        }
    );

    // Of many who try at once, one has it.
    it.here.release(last).await.unwrap();
    let owners: Vec<Owner> = (0..8).map(elsewhere).collect();
    let tries = owners.iter().enumerate().map(|(at, owner)| {
        let journal = if at % 2 == 0 { &it.here } else { &it.there };
        journal.claim(&tenant, &run, owner)
    });
    let won = join_all(tries)
        .await
        .into_iter()
        .filter(Result::is_ok)
        .count();
    assert_eq!(won, 1);
}

async fn an_ended_run_takes_nothing_more(it: Two) {
    let finals = [
        RunState::Completed,
        RunState::Failed,
        RunState::Cancelled,
        RunState::Timeout,
    ];
    for (at, state) in finals.into_iter().enumerate() {
        let id = format!("run_{at}");
        let lease = it
            .here
            .create(new_run("acme", &id), &elsewhere(1), entries(0..1))
            .await
            .unwrap();
        let summary = Some(json!({"status": state}));
        let update = RunUpdate {
            summary: summary.clone(),
            ..to(state)
        };
        it.here.append(&lease, entries(1..3), update).await.unwrap();
        let ended = row(&*it.there, &lease).await;
        assert_eq!(
            (ended.state, ended.summary, ended.owner),
            (state, summary, None)
        );
        for batch in [entries(3..4), Vec::new()] {
            let refused = it
                .here
                .append(&lease, batch, to(RunState::Running))
                .await
                .unwrap_err();
            assert_eq!(
                refused,
                JournalError::RunEnded {
                    run: lease.run.clone()
                }
            );
        }
        let later = it
            .there
            .claim(&lease.tenant, &lease.run, &elsewhere(2))
            .await
            .unwrap();
        let refused = it
            .there
            .append(&later, entries(3..4), to(RunState::Running))
            .await
            .unwrap_err();
        assert_eq!(
            refused,
            JournalError::RunEnded {
                run: lease.run.clone()
            }
        );
        // The lease came back with the end; giving it back once more takes nothing from the next owner.
        it.here.release(lease).await.unwrap();
        let row = row(&*it.there, &later).await;
        assert_eq!((row.state, row.owner), (state, Some(elsewhere(2))));
        assert_eq!(stored(&*it.here, &later).await, entries(0..3));
    }
}

async fn an_empty_batch_stores_the_update(it: Two) {
    let lease = it
        .here
        .create(new_run("acme", "run_1"), &elsewhere(1), entries(0..1))
        .await
        .unwrap();
    let before = row(&*it.there, &lease).await;
    it.here
        .append(&lease, Vec::new(), to(RunState::Quarantined))
        .await
        .unwrap();
    let after = row(&*it.there, &lease).await;
    assert_eq!(
        after,
        RunRow {
            state: RunState::Quarantined,
            ..before
        }
    );
    // A quarantined run has not ended: a person may let it go on.
    it.here
        .append(&lease, entries(1..2), to(RunState::Running))
        .await
        .unwrap();
    it.here
        .append(&lease, Vec::new(), to(RunState::Failed))
        .await
        .unwrap();
    let row = row(&*it.there, &lease).await;
    assert_eq!(
        (row.state, row.next_index, row.owner),
        (RunState::Failed, 2, None)
    );
}

async fn claims_without_progress_are_counted(it: Two) {
    let lease = it
        .here
        .create(new_run("acme", "run_1"), &gone(0), entries(0..1))
        .await
        .unwrap();
    let mut last = None;
    for nth in 1..=3 {
        last = Some(
            it.there
                .claim(&lease.tenant, &lease.run, &gone(nth))
                .await
                .unwrap(),
        );
        assert_eq!(row(&*it.here, &lease).await.idle_claims, nth as u32);
    }
    let last = last.unwrap();
    it.there
        .append(&last, Vec::new(), to(RunState::Waiting))
        .await
        .unwrap();
    assert_eq!(row(&*it.here, &lease).await.idle_claims, 3);
    it.there
        .append(&last, entries(1..2), to(RunState::Running))
        .await
        .unwrap();
    assert_eq!(row(&*it.here, &lease).await.idle_claims, 0);
}

async fn what_is_not_text_is_refused(it: Two) {
    let lease = it
        .here
        .create(new_run("acme", "run_1"), &elsewhere(1), entries(0..1))
        .await
        .unwrap();
    let bytes = JournalEntry {
        body: vec![b'"', 0xff, b'"'],
        ..entry(2)
    };
    let refused = it
        .here
        .append(&lease, vec![entry(1), bytes], to(RunState::Running))
        .await;
    assert!(
        matches!(refused, Err(JournalError::Unwritable(_))),
        "{refused:?}"
    );
    assert_eq!(stored(&*it.there, &lease).await, entries(0..1));
}

async fn runs_are_listed_newest_first(it: Two) {
    let states = [
        RunState::Running,
        RunState::Waiting,
        RunState::Completed,
        RunState::Running,
        RunState::Failed,
    ];
    for (at, state) in states.into_iter().enumerate() {
        let mut run = new_run("acme", &format!("run_{at}"));
        if at >= 3 {
            run.segment = "review".parse().unwrap();
            run.parent = Some("run_0".parse().unwrap());
        }
        let journal = if at % 2 == 0 { &it.here } else { &it.there };
        let lease = journal
            .create(run, &elsewhere(1), entries(0..1))
            .await
            .unwrap();
        journal
            .append(&lease, entries(1..2), to(state))
            .await
            .unwrap();
    }
    it.here
        .create(new_run("other", "run_9"), &elsewhere(1), entries(0..1))
        .await
        .unwrap();
    let all = RunFilter::default();
    let segment = "review".parse().unwrap();
    let before = |run: &str| Some(run.parse().unwrap());
    let cases = [
        (all.clone(), "43210"),
        (
            RunFilter {
                limit: 2,
                ..all.clone()
            },
            "43",
        ),
        (
            RunFilter {
                limit: 0,
                ..all.clone()
            },
            "",
        ),
        (
            RunFilter {
                limit: 2,
                before: before("run_3"),
                ..all.clone()
            },
            "21",
        ),
        (
            RunFilter {
                before: before("run_9"),
                ..all.clone()
            },
            "",
        ),
        (
            RunFilter {
                states: vec![RunState::Running],
                ..all.clone()
            },
            "30",
        ),
        (
            RunFilter {
                states: vec![RunState::Running, RunState::Waiting],
                ..all.clone()
            },
            "310",
        ),
        (
            RunFilter {
                states: vec![RunState::Failed, RunState::Running],
                ..all.clone()
            },
            "430",
        ),
        (
            RunFilter {
                states: vec![RunState::Paused],
                ..all.clone()
            },
            "",
        ),
        (
            RunFilter {
                segment: Some(segment),
                states: vec![RunState::Failed],
                ..all.clone()
            },
            "4",
        ),
        (
            RunFilter {
                parent: before("run_0"),
                ..all.clone()
            },
            "43",
        ),
    ];
    let tenant = "acme".parse().unwrap();
    for (filter, expected) in cases {
        let rows = it.there.runs(&tenant, filter.clone()).await.unwrap();
        let found: String = rows.iter().map(|row| &row.run.as_str()[4..]).collect();
        assert_eq!(found, expected, "{filter:?}");
        for row in rows {
            assert_eq!(it.here.run(&tenant, &row.run).await.unwrap(), Some(row));
        }
    }
}

async fn the_first_definition_stays(it: Two) {
    let tenant = "acme".parse().unwrap();
    assert_eq!(it.here.definition(&tenant, "hash").await.unwrap(), None);
    it.here
        .put_definition(&tenant, "hash", "{\"n\":1}")
        .await
        .unwrap();
    it.there
        .put_definition(&tenant, "hash", "{\"n\":2}")
        .await
        .unwrap();
    let kept = it.there.definition(&tenant, "hash").await.unwrap();
    assert_eq!(kept.as_deref(), Some("{\"n\":1}"));
}

/// More runs and larger batches than one statement takes, a refused one among them in every round.
async fn many_runs_at_once(it: Two) {
    const RUNS: usize = 150;
    let owner = gone(0);
    let create = |at: usize| {
        let journal = if at % 2 == 0 { &it.here } else { &it.there };
        journal.create(new_run("acme", &format!("run_{at}")), &owner, entries(0..1))
    };
    let leases: Vec<Lease> = join_all((0..RUNS).map(create))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let taken = it
        .there
        .claim(&leases[7].tenant, &leases[7].run, &gone(1))
        .await
        .unwrap();
    let mut next = [1; RUNS];
    for round in 0..4 {
        let appends = leases.iter().enumerate().map(|(at, lease)| {
            let end = next[at] + if at == 3 { 300 } else { 1 + round };
            let batch = entries(next[at]..end);
            let journal = if at % 2 == 0 { &it.here } else { &it.there };
            async move {
                (
                    end,
                    journal.append(lease, batch, to(RunState::Running)).await,
                )
            }
        });
        for (at, (end, result)) in join_all(appends).await.into_iter().enumerate() {
            if at == 7 {
                assert_eq!(
                    result,
                    Err(JournalError::Fenced {
                        run: taken.run.clone(),
                        epoch: 1
                    })
                );
            } else {
                result.unwrap();
                next[at] = end;
            }
        }
    }
    for (at, lease) in leases.iter().enumerate() {
        assert_eq!(stored(&*it.here, lease).await, entries(0..next[at]), "{at}");
    }
}
