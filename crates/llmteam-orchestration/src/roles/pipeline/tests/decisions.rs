//! What each kind of decision does.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::json;

use super::*;
use crate::roles::{Confidence, DecisionSource};

// covers: PI12, O8
#[tokio::test(start_paused = true)]
async fn nobody_to_route_to_is_no_success_and_no_error() {
    let bench = Bench::new();
    for targets in [&["ghost"][..], &[]] {
        let pipeline = bench.pipeline([decision(DecisionType::Route, targets)]);
        let input = fields(json!({"kept": true}));
        let outcome = pipeline.orchestrate(run_id("r1"), &input).await.unwrap();
        assert_eq!(outcome.kind, OutcomeKind::NoTarget);
        assert!(!outcome.is_success());
        assert_eq!(outcome.state, input);
    }
}

// covers: O8
#[tokio::test(start_paused = true)]
async fn who_is_missing_is_named_and_the_others_work() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([decision(DecisionType::Route, &["ghost", "a", "ghost"])]);
    let agent = Arc::new(bench.gives(json!({"a": 1})));
    pipeline.register_agent(id("a"), agent.clone()).unwrap();
    let outcome = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(outcome.kind, OutcomeKind::Completed);
    assert_eq!(
        outcome.warnings,
        [Warning::MissingTarget { agent: id("ghost") }]
    );
    assert_eq!(agent.calls.load(Ordering::Relaxed), 1);
}

// covers: O3
#[tokio::test(start_paused = true)]
async fn retry_works_again_and_is_counted() {
    let bench = Bench::new();
    let strategy = Scripted::new([
        decision(DecisionType::Route, &["a"]),
        decision(DecisionType::Retry, &["a"]),
        decision(DecisionType::Retry, &[]),
    ]);
    let pipeline = bench.builder().strategy(strategy.clone()).build().unwrap();
    let agent = Arc::new(bench.worker(|_, call| Ok(fields(json!({ "call": call })))));
    pipeline.register_agent(id("a"), agent.clone()).unwrap();
    let outcome = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(outcome.state["call"], json!(3));
    let shown = strategy.shown.lock().unwrap();
    let retries: Vec<u32> = shown.iter().map(|it| it.retry_count).collect();
    assert_eq!(retries, [0, 0, 1, 2]);
}

// covers: O3
#[tokio::test(start_paused = true)]
async fn retries_are_bounded() {
    let bench = Bench::new();
    let again = std::iter::repeat_n(decision(DecisionType::Retry, &["a"]), 9);
    let pipeline = bench.pipeline(
        [decision(DecisionType::Route, &["a"])]
            .into_iter()
            .chain(again),
    );
    let agent = Arc::new(bench.fails(99, "no", json!({})));
    pipeline.register_agent(id("a"), agent.clone()).unwrap();
    let error = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "step `a` of run `r1` was tried again 3 times, which is the most"
    );
    assert_eq!(agent.calls.load(Ordering::Relaxed), 4);
}

// covers: O4
#[tokio::test(start_paused = true)]
async fn skip_goes_on_without_the_target() {
    let bench = Bench::new();
    let strategy = Scripted::new([
        decision(DecisionType::Skip, &["a"]),
        decision(DecisionType::Skip, &[]),
        decision(DecisionType::Route, &["c"]),
    ]);
    let pipeline = bench.builder().strategy(strategy.clone()).build().unwrap();
    for name in ["a", "b", "c"] {
        pipeline
            .register_agent(id(name), Arc::new(bench.gives(json!({name: 1}))))
            .unwrap();
    }
    let outcome = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(json!(outcome.state), json!({"c": 1}));
    let shown = strategy.shown.lock().unwrap();
    let next: Vec<_> = shown
        .iter()
        .map(|it| it.next_in_order().map(ToString::to_string))
        .collect();
    let next: Vec<_> = next.iter().map(Option::as_deref).collect();
    assert_eq!(next, [Some("a"), Some("b"), Some("c"), None]);
}

// covers: O4
#[tokio::test(start_paused = true)]
async fn escalation_stops_the_run_with_an_outcome_of_its_own() {
    for kind in [DecisionType::Escalate, DecisionType::RequestHuman] {
        let bench = Bench::new();
        let pipeline = bench.pipeline([
            decision(DecisionType::Route, &["a"]),
            decision(kind, &[]),
            decision(DecisionType::Route, &["a"]),
        ]);
        let agent = Arc::new(bench.gives(json!({"a": 1})));
        pipeline.register_agent(id("a"), agent.clone()).unwrap();
        let outcome = pipeline
            .orchestrate(run_id("r1"), &Fields::new())
            .await
            .unwrap();
        assert_eq!(outcome.kind, OutcomeKind::Escalated);
        assert_eq!(outcome.decision.decision_type, kind);
        assert_eq!(json!(outcome.state), json!({"a": 1}));
        assert_eq!(agent.calls.load(Ordering::Relaxed), 1);
    }
}

// covers: O4
#[tokio::test(start_paused = true)]
async fn parallel_targets_work_at_once_and_conflicts_are_named() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([decision(DecisionType::Parallel, &["b", "a", "c"])]);
    let sleepy = |json| Arc::new(bench.gives(json).takes(Duration::from_secs(10)));
    pipeline
        .register_agent(id("a"), sleepy(json!({"who": "a", "same": [1]})))
        .unwrap();
    pipeline
        .register_agent(id("b"), sleepy(json!({"who": "b", "same": [1], "b": 1})))
        .unwrap();
    pipeline
        .register_agent(id("c"), sleepy(json!({"c": 1})))
        .unwrap();
    let began = bench.clock.now();
    let outcome = bench
        .run(async move {
            pipeline
                .orchestrate(run_id("r1"), &Fields::new())
                .await
                .unwrap()
        })
        .await;
    assert_eq!(bench.clock.now().since(began), Duration::from_secs(10));
    assert_eq!(
        json!(outcome.state),
        json!({"who": "a", "same": [1], "b": 1, "c": 1})
    );
    let conflict = Warning::Conflict {
        field: "who".to_owned(),
        agents: vec![id("b"), id("a")],
    };
    assert_eq!(outcome.warnings, [conflict]);
}

// covers: O13
#[tokio::test(start_paused = true)]
async fn an_answer_that_could_not_be_read_is_an_outcome_and_no_success() {
    let bench = Bench::new();
    let unreadable = OrchestrationDecision {
        confidence: Confidence::EVEN,
        source: DecisionSource::ParseError { asks: 2 },
        ..decision(DecisionType::Route, &[])
    };
    let pipeline = bench.pipeline([unreadable]);
    let outcome = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(outcome.kind, OutcomeKind::ParseError);
    assert_eq!(json!(outcome)["kind"], json!("parse_error"));
}
