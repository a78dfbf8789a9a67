//! Who may write.

use futures_util::future::join_all;
use serde_json::json;

use super::*;

pub(super) async fn a_run_is_created_once(it: Two) {
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

pub(super) async fn a_stale_owner_is_fenced(it: Two) {
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

pub(super) async fn a_run_is_claimed_when_nobody_alive_owns_it(it: Two) {
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

pub(super) async fn an_ended_run_takes_nothing_more(it: Two) {
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

pub(super) async fn claims_without_progress_are_counted(it: Two) {
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
