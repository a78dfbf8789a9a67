//! What is written, and in which order.

use futures_util::future::join_all;
use llmteam_security::clock::Timestamp;
use serde_json::json;

use super::*;

pub(super) async fn what_is_written_is_read(it: Two) {
    let run = NewRun {
        parent: Some("parent.1".parse().unwrap()),
        audit: Vec::new(),
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
        audit: Vec::new(),
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

pub(super) async fn an_entry_follows_the_last_one(it: Two) {
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

pub(super) async fn an_empty_batch_stores_the_update(it: Two) {
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

pub(super) async fn what_is_not_text_is_refused(it: Two) {
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

/// More runs and larger batches than one statement takes, a refused one among them in every round.
pub(super) async fn many_runs_at_once(it: Two) {
    const RUNS: usize = 150;
    let owner = gone(0);
    let create = |at: usize| {
        let journal = if at.is_multiple_of(2) {
            &it.here
        } else {
            &it.there
        };
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
            let journal = if at.is_multiple_of(2) {
                &it.here
            } else {
                &it.there
            };
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
