//! What is seen of runs and definitions.

use super::super::{BoundStart, StartKey};
use super::*;

pub(super) async fn tenants_see_nothing_of_each_other(it: Two) {
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

pub(super) async fn runs_are_listed_newest_first(it: Two) {
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

pub(super) async fn the_first_definition_stays(it: Two) {
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

//
pub(super) async fn a_start_key_is_bound_once(it: Two) {
    let start = |tenant: &str, run: &str, at: i64| StartKey {
        tenant: tenant.parse().unwrap(),
        segment: "draft".parse().unwrap(),
        key: "order-7".to_owned(),
        run: run.parse().unwrap(),
        input_hash: format!("hash of {run}"),
        at: Timestamp::from_micros(at),
        until: Timestamp::from_micros(at + 100),
    };
    let bound = |run: &str| BoundStart {
        run: run.parse().unwrap(),
        input_hash: format!("hash of {run}"),
    };
    let first = it.here.bind_start(&start("acme", "first", 0)).await;
    assert_eq!(first.unwrap(), bound("first"));
    let again = it.there.bind_start(&start("acme", "second", 99)).await;
    assert_eq!(again.unwrap(), bound("first"));
    let other = it.there.bind_start(&start("other", "second", 99)).await;
    assert_eq!(other.unwrap(), bound("second"));
    let later = it.here.bind_start(&start("acme", "third", 100)).await;
    assert_eq!(later.unwrap(), bound("third"));
}
