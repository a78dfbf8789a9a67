//! Failures of agents, of strategies, of states.

use std::sync::{Arc, atomic::Ordering};

use serde_json::json;

use super::*;
use crate::{
    execution::TaskErrorKind,
    roles::{
        RuleBasedStrategy, RunPath,
        strategy::{AgentState, AsyncRule, RuleFailure},
    },
};

// covers: O7, O9
#[tokio::test(start_paused = true)]
async fn a_failure_that_nobody_takes_up_is_an_error_with_what_was_reached() {
    let bench = Bench::new();
    let pipeline = bench.builder().build().unwrap();
    pipeline
        .register_agent(id("a"), Arc::new(bench.gives(json!({"a": 1}))))
        .unwrap();
    let broken = bench.fails(9, "lost postgres://u:p@db/x\nagain", json!({}));
    pipeline.register_agent(id("b"), Arc::new(broken)).unwrap();
    let last = Arc::new(bench.gives(json!({"c": 1})));
    pipeline.register_agent(id("c"), last.clone()).unwrap();
    let error = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "agent `b` failed in run `r1`: lost postgres://***@db/x again"
    );
    let OrchestrationError::AgentFailed { kind, partial, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*kind, TaskErrorKind::Failed);
    assert_eq!(json!(partial.state), json!({"a": 1}));
    assert_eq!(partial.step.to_string(), "b");
    assert!(!format!("{error:?}").contains("u:p@"), "{error:?}");
    assert_eq!(last.calls.load(Ordering::Relaxed), 0);
    let history = pipeline.get_execution_history(&RunPath::from(run_id("r1")));
    let errors: Vec<_> = history
        .iter()
        .flat_map(|it| &it.executions)
        .map(|it| it.error.as_deref())
        .collect();
    assert_eq!(errors, [None, Some("lost postgres://***@db/x again")]);
    let metrics = pipeline.get_process_metrics().unwrap().unwrap();
    assert_eq!((metrics.completion_rate, metrics.error_rate), (0.0, 0.5));
}

// covers: O5, O7
#[tokio::test(start_paused = true)]
async fn the_next_decision_sees_the_failure_and_may_retry() {
    let bench = Bench::new();
    let strategy = RuleBasedStrategy::new().add_rule("failed", |it| {
        (it.error_rate > 0.4 && !it.failed_agents.is_empty()).then(|| {
            OrchestrationDecision::new(DecisionType::Retry, it.failed_agents.clone(), "again")
        })
    });
    let pipeline = bench
        .builder()
        .strategy(Arc::new(strategy))
        .build()
        .unwrap();
    let agent = Arc::new(bench.fails(1, "busy", json!({"a": 1})));
    pipeline.register_agent(id("a"), agent.clone()).unwrap();
    let outcome = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert!(outcome.is_success());
    assert_eq!(outcome.warnings, []);
    assert_eq!(agent.calls.load(Ordering::Relaxed), 2);
    let metrics = pipeline.get_process_metrics().unwrap().unwrap();
    assert_eq!((metrics.completion_rate, metrics.retry_rate), (1.0, 0.5));
}

// covers: O5
#[tokio::test(start_paused = true)]
async fn the_figures_of_a_run_are_counted() {
    let bench = Bench::new();
    let strategy = Scripted::new([
        decision(DecisionType::Route, &["a"]),
        decision(DecisionType::Route, &["b"]),
        decision(DecisionType::Retry, &[]),
        decision(DecisionType::Skip, &["b"]),
    ]);
    let pipeline = bench.builder().strategy(strategy.clone()).build().unwrap();
    let takes = Duration::from_secs(4);
    pipeline
        .register_agent(id("a"), Arc::new(bench.gives(json!({})).takes(takes)))
        .unwrap();
    pipeline
        .register_agent(
            id("b"),
            Arc::new(bench.fails(9, "no", json!({})).takes(takes)),
        )
        .unwrap();
    let outcome = bench
        .run(async move {
            pipeline
                .orchestrate(run_id("r1"), &Fields::new())
                .await
                .unwrap()
        })
        .await;
    assert_eq!(
        outcome.warnings,
        [Warning::FailurePassedOver {
            agent: id("b"),
            error: "no".to_owned()
        }]
    );
    let shown = strategy.shown.lock().unwrap();
    let figures: Vec<_> = shown
        .iter()
        .map(|it| {
            (
                it.error_rate,
                it.retry_count,
                it.step_duration.as_secs(),
                it.failed_agents.len(),
            )
        })
        .collect();
    assert_eq!(
        figures,
        [
            (0.0, 0, 0, 0),
            (0.0, 0, 4, 0),
            (0.5, 0, 4, 1),
            (2.0 / 3.0, 1, 8, 1),
            (2.0 / 3.0, 1, 8, 0)
        ]
    );
}

// covers: O7
#[tokio::test(start_paused = true)]
async fn going_on_elsewhere_passes_a_failure_over_and_says_so() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([
        decision(DecisionType::Route, &["a", "c"]),
        decision(DecisionType::Route, &["b"]),
    ]);
    pipeline
        .register_agent(id("a"), Arc::new(bench.fails(9, "no", json!({}))))
        .unwrap();
    pipeline
        .register_agent(id("b"), Arc::new(bench.gives(json!({"b": 1}))))
        .unwrap();
    pipeline
        .register_agent(id("c"), Arc::new(bench.gives(json!({"c": 1}))))
        .unwrap();
    let outcome = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(
        json!(outcome.state),
        json!({"b": 1}),
        "nobody works after a failure"
    );
    let passed = Warning::FailurePassedOver {
        agent: id("a"),
        error: "no".to_owned(),
    };
    assert_eq!(outcome.warnings, [passed]);
}

// covers: O16
#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_say_in_what_state_it_is_hinders_nobody() {
    let bench = Bench::new();
    let strategy = Scripted::new([]);
    let pipeline = bench.builder().strategy(strategy.clone()).build().unwrap();
    let agent = || bench.gives(json!({}));
    pipeline
        .register_agent(id("plain"), Arc::new(agent()))
        .unwrap();
    pipeline
        .register_agent(
            id("busy"),
            Arc::new(agent().state(|| Ok(Some(fields(json!({"status": "busy"})))))),
        )
        .unwrap();
    pipeline
        .register_agent(
            id("broken"),
            Arc::new(agent().state(|| Err(AgentError::transient("no")))),
        )
        .unwrap();
    pipeline
        .register_agent(id("worse"), Arc::new(agent().state(|| panic!("worse"))))
        .unwrap();
    let outcome = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert!(outcome.is_success());
    let warnings: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "the state of agent `broken` is unknown: no",
            "the state of agent `worse` is unknown: it panicked"
        ]
    );
    let shown = strategy.shown.lock().unwrap();
    let states = &shown[0].agent_states;
    assert_eq!(states[&id("plain")], AgentState::Available);
    assert_eq!(json!(states[&id("busy")]), json!({"status": "busy"}));
    assert_eq!(json!(states[&id("broken")]), json!({"status": "unknown"}));
    assert_eq!(states[&id("worse")], AgentState::Unknown);
}

struct Silent;

#[async_trait]
impl Agent for Silent {
    async fn process(&self, _: &Fields) -> Result<Fields, AgentError> {
        Ok(Fields::new())
    }

    async fn get_state(&self) -> Result<Option<Fields>, AgentError> {
        std::future::pending().await
    }
}

// covers: O16
#[tokio::test(start_paused = true)]
async fn an_agent_that_keeps_silent_is_not_waited_for() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([]);
    pipeline
        .register_agent(id("silent"), Arc::new(Silent))
        .unwrap();
    let outcome = bench
        .run(async move {
            pipeline
                .orchestrate(run_id("r1"), &Fields::new())
                .await
                .unwrap()
        })
        .await;
    let reason = "it did not answer in time".to_owned();
    assert_eq!(
        outcome.warnings,
        [Warning::StateUnknown {
            agent: id("silent"),
            reason
        }]
    );
}

struct Broken;

#[async_trait]
impl AsyncRule for Broken {
    async fn apply(
        &self,
        _: &OrchestrationContext,
    ) -> Result<Option<OrchestrationDecision>, RuleFailure> {
        Err(RuleFailure("no table".to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_fails_ends_the_run_with_what_was_reached() {
    let bench = Bench::new();
    let strategy = RuleBasedStrategy::new()
        .add_rule("first", |it| {
            it.agent_records
                .is_empty()
                .then(|| decision(DecisionType::Route, &["a"]))
        })
        .add_async_rule("table", Broken);
    let pipeline = bench
        .builder()
        .strategy(Arc::new(strategy))
        .build()
        .unwrap();
    pipeline
        .register_agent(id("a"), Arc::new(bench.gives(json!({"a": 1}))))
        .unwrap();
    let error = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "run `r1` has no decision: rule `table` failed: no table"
    );
    assert_eq!(error.partial().unwrap().state["a"], json!(1));
}
