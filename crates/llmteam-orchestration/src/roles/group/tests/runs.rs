//! Runs of a group: who gets the input, what becomes of it, what is told.

use serde_json::json;

use super::*;
use crate::{
    licensing::LicenseManager,
    roles::{GroupOrchestrationDecision, GroupOrchestrationStrategy, PipelineOrchestrator},
};

/// Always decides the same.
struct Fixed(GroupOrchestrationDecision);

#[async_trait]
impl GroupOrchestrationStrategy for Fixed {
    async fn decide(
        &self,
        _: &[PipelineStatus],
        _: &Fields,
    ) -> Result<GroupOrchestrationDecision, strategy::GroupStrategyError> {
        Ok(self.0.clone())
    }
}

fn route(targets: &[&str]) -> GroupOrchestrationDecision {
    let targets = targets.iter().map(|it| id(it));
    GroupOrchestrationDecision::new(GroupDecisionType::RouteToPipeline, targets, "fixed")
}

// covers: GR08, GR09, GR10, GR16, G17
#[test]
fn a_group_keeps_its_id_and_its_pipelines() {
    let bench = Bench::new();
    let group = bench.group([bench.gives("p1", json!({})), bench.gives("p2", json!({}))]);
    assert_eq!(group.group_id().as_str(), "desk");
    let idle = |id: &str| (id.to_owned(), PipelineState::Idle, 0);
    assert_eq!(states(&group), [idle("p1"), idle("p2")]);
    let again = group
        .register_pipeline(Arc::new(bench.gives("p1", json!({}))))
        .unwrap_err();
    assert_eq!(
        again.to_string(),
        "pipeline `p1` is registered already; unregister it first"
    );
    assert!(group.unregister_pipeline(&id("p1")));
    assert!(!group.unregister_pipeline(&id("p1")));
    assert_eq!(states(&group), [idle("p2")]);
    let mut copy = group.get_pipeline_statuses();
    copy[0].in_flight = 99;
    assert_eq!(states(&group), [idle("p2")], "a status is a copy");
}

// covers: GR11
#[tokio::test(start_paused = true)]
async fn the_result_of_the_one_pipeline_is_the_groups() {
    let bench = Bench::new();
    let pipeline = Arc::new(bench.gives("p1", json!({"answer": 42})));
    let group = bench.group([]);
    group.register_pipeline(pipeline.clone()).unwrap();
    let outcome = group
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(json!(outcome.result), json!({"answer": 42}));
    assert_eq!(outcome.decision.reason, "load_balancing:idle");
    assert_eq!(*pipeline.runs.lock().unwrap(), ["r1/p1"]);
}

// covers: GR12, G13
#[tokio::test(start_paused = true)]
async fn fan_out_runs_all_at_once_and_merges() {
    let bench = Bench::new();
    let slow = |name: &str, json| bench.gives(name, json).takes(10);
    let group = bench.fan_out(
        AggregationStrategy::Merge,
        [slow("p1", json!({"a": 1})), slow("p2", json!({"b": 2}))],
    );
    let began = bench.clock.now();
    let outcome = bench.run(&Arc::new(group), "r1").await.unwrap();
    assert_eq!(bench.clock.now().since(began), Duration::from_secs(10));
    assert_eq!(json!(outcome.result), json!({"a": 1, "b": 2}));
    let runs: Vec<String> = outcome
        .outcomes
        .iter()
        .map(|it| it.run.to_string())
        .collect();
    assert_eq!(runs, ["r1/p1", "r1/p2"]);
    assert!(
        outcome
            .outcomes
            .iter()
            .all(|it| it.run.run().as_str() == "r1")
    );
}

// covers: G7
#[tokio::test(start_paused = true)]
async fn all_targets_of_a_route_run() {
    let bench = Bench::new();
    let group = bench
        .group([
            bench.gives("finance", json!({"f": 1})),
            bench.gives("compliance", json!({"c": 1})),
        ])
        .with_strategy(Arc::new(Fixed(route(&[
            "finance",
            "ghost",
            "compliance",
            "finance",
        ]))));
    let outcome = group
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(json!(outcome.result), json!({"f": 1, "c": 1}));
    assert_eq!(outcome.missing, [id("ghost")]);
    assert_eq!(outcome.outcomes.len(), 2);
}

// covers: G5, G14
#[tokio::test(start_paused = true)]
async fn when_all_fail_that_is_an_error_without_secrets() {
    let bench = Bench::new();
    let group = bench.fan_out(
        AggregationStrategy::All,
        [
            bench.fails("p1", "lost postgres://u:p@h\u{1b}[31m"),
            bench.fails("p2", "token=abc"),
        ],
    );
    let error = group
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "every pipeline of run `r1` failed: \
         `p1`: agent `worker` failed in run `r1/p1`: lost postgres://***@h [31m; \
         `p2`: agent `worker` failed in run `r1/p2`: token=***"
    );
    assert_eq!(error.outcomes().len(), 2);
    let failed = |id: &str| (id.to_owned(), PipelineState::Failed, 0);
    assert_eq!(states(&group), [failed("p1"), failed("p2")]);
    assert!(
        group
            .get_pipeline_statuses()
            .iter()
            .all(|it| it.error_count == 1)
    );
}

// covers: G5, G11
#[tokio::test(start_paused = true)]
async fn every_pipeline_has_an_outcome() {
    let bench = Bench::new();
    let group = bench.fan_out(
        AggregationStrategy::All,
        [
            bench.fails("p1", "no"),
            bench.gives("p2", json!({"b": 1})),
            bench.gives("p3", json!({})).ends_as(OutcomeKind::Escalated),
        ],
    );
    let outcome = group
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(
        json!(outcome.result),
        json!({"results": [
            {"pipeline_id": "p1", "ok": false,
             "error": {"kind": "failed", "message": "agent `worker` failed in run `r1/p1`: no"}},
            {"pipeline_id": "p2", "ok": true, "result": {"b": 1}},
            {"pipeline_id": "p3", "ok": false,
             "error": {"kind": "escalated", "message": "the run ended as escalated: done"}},
        ]})
    );
    let idle = |id: &str| (id.to_owned(), PipelineState::Idle, 0);
    let failed = ("p1".to_owned(), PipelineState::Failed, 0);
    assert_eq!(states(&group), [failed, idle("p2"), idle("p3")]);
}

// covers: G12
#[tokio::test(start_paused = true)]
async fn first_returns_with_the_first_success_and_calls_the_rest_off() {
    let bench = Bench::new();
    let group = Arc::new(bench.fan_out(
        AggregationStrategy::First,
        [
            bench.gives("slow", json!({"who": "slow"})).takes(500),
            bench.fails("broken", "no").takes(1),
            bench.gives("fast", json!({"who": "fast"})).takes(10),
        ],
    ));
    let began = bench.clock.now();
    let outcome = bench.run(&group, "r1").await.unwrap();
    assert_eq!(bench.clock.now().since(began), Duration::from_secs(10));
    assert_eq!(json!(outcome.result), json!({"who": "fast"}));
    let kinds: Vec<_> = outcome
        .outcomes
        .iter()
        .map(|it| it.result.as_ref().err().map(|it| it.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            Some(PipelineFailureKind::Cancelled),
            Some(PipelineFailureKind::Failed),
            None
        ]
    );
    let after = [
        ("slow", PipelineState::Idle),
        ("broken", PipelineState::Failed),
        ("fast", PipelineState::Idle),
    ];
    let after: Vec<_> = after
        .iter()
        .map(|(id, state)| ((*id).to_owned(), *state, 0))
        .collect();
    assert_eq!(states(&group), after);
}

#[derive(Default)]
struct Watcher(Mutex<Vec<String>>);

impl GroupObserver for Watcher {
    fn observe(&self, event: GroupEvent<'_>) {
        let line = match event {
            GroupEvent::Decided { run, decision } => format!("{run} {}", decision.decision_type),
            GroupEvent::Escalated { run, decision } => {
                format!("{run} escalated: {}", decision.reason)
            }
            GroupEvent::PipelineEnded { outcome, .. } => {
                format!("{} {}", outcome.run, outcome.ok())
            }
        };
        self.0.lock().unwrap().push(line);
    }
}

// covers: G6, GR19
#[tokio::test(start_paused = true)]
async fn escalation_is_an_outcome_and_an_event() {
    let bench = Bench::new();
    let watcher = Arc::new(Watcher::default());
    let group = bench.group([]).with_observer(watcher.clone());
    let outcome = group
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(outcome.kind, GroupOutcomeKind::Escalated);
    assert_eq!(outcome.decision.reason, "no_pipelines_available");
    assert!(outcome.result.is_empty());
    group
        .register_pipeline(Arc::new(bench.gives("p1", json!({}))))
        .unwrap();
    group
        .orchestrate(run_id("r2"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(
        *watcher.0.lock().unwrap(),
        [
            "r1 escalate",
            "r1 escalated: no_pipelines_available",
            "r2 route_to_pipeline",
            "r2/p1 true"
        ]
    );
}

// covers: G6
#[tokio::test(start_paused = true)]
async fn earlier_results_are_combined_and_nothing_runs() {
    let bench = Bench::new();
    let pipeline = bench.fake("p1", |call| {
        Ok(fields(json!({"n": call, (format!("r{call}")): true})))
    });
    let group = bench.group([pipeline]);
    for run in ["r1", "r2"] {
        group
            .orchestrate(run_id(run), &Fields::new())
            .await
            .unwrap();
    }
    let earlier = || [run_id("r2"), run_id("r1")];
    let outcome = group
        .aggregate_results(run_id("sum"), earlier(), AggregationStrategy::Merge)
        .unwrap();
    assert_eq!(
        json!(outcome.result),
        json!({"n": 1, "r1": true, "r2": true})
    );
    assert_eq!(outcome.conflicts.len(), 1);

    let decision = GroupOrchestrationDecision {
        source_runs: vec![run_id("r1"), run_id("gone")],
        ..GroupOrchestrationDecision::new(GroupDecisionType::AggregateResults, [], "")
    };
    let group = group.with_strategy(Arc::new(Fixed(decision)));
    let error = group
        .orchestrate(run_id("r3"), &Fields::new())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the results of run `gone` are not kept");
}

#[tokio::test(start_paused = true)]
async fn nobody_registered_is_an_error_and_a_live_run_is_refused() {
    let bench = Bench::new();
    let group = bench.group([bench.gives("p1", json!({})).takes(5)]);
    let group = Arc::new(group);
    let running = tokio::spawn({
        let group = Arc::clone(&group);
        async move { group.orchestrate(run_id("r1"), &Fields::new()).await }
    });
    bench.clock.settle().await;
    let error = group
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap_err();
    assert!(matches!(error, GroupError::RunActive { .. }), "{error}");
    running.abort();

    let nobody = bench
        .group([])
        .with_strategy(Arc::new(Fixed(route(&["ghost"]))));
    let error = nobody
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "run `r1` has no pipeline: none of `ghost` is registered"
    );
}

// covers: GR17, GR18
#[tokio::test(start_paused = true)]
async fn metrics_count_pipelines_and_what_mining_says_of_them() {
    let bench = Bench::new();
    let group = bench.group([bench.gives("fake", json!({}))]);
    assert_eq!(
        json!(group.get_group_metrics()),
        json!({"total_pipelines": 1})
    );
    group.unregister_pipeline(&id("fake"));
    let pipeline = Arc::new(PipelineOrchestrator::new(id("real"), bench.clock()).unwrap());
    group.register_pipeline(pipeline).unwrap();
    group
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(
        json!(group.get_group_metrics()),
        json!({"total_pipelines": 1, "cases": 1, "avg_completion_rate": 1.0, "avg_error_rate": 0.0, "bottlenecks": []})
    );
}

// covers: G16
#[test]
fn a_pipeline_counts_by_its_cases() {
    use super::super::metrics::group_metrics;
    use crate::roles::mining::ProcessMetrics;
    let figures = |cases, rate, bottleneck: &str| {
        let metrics = ProcessMetrics {
            completion_rate: rate,
            error_rate: 1.0 - rate,
            bottleneck_activities: vec![bottleneck.to_owned()],
            ..ProcessMetrics::default()
        };
        Some(PipelineFigures { cases, metrics })
    };
    let metrics = group_metrics(&[
        (id("big"), figures(999, 1.0, "review")),
        (id("off"), None),
        (id("small"), figures(1, 0.0, "review")),
    ]);
    assert_eq!(metrics.total_pipelines, 3);
    assert_eq!(metrics.avg_completion_rate, Some(0.999));
    assert!((metrics.avg_error_rate.unwrap() - 0.001).abs() < 1e-12);
    assert_eq!(metrics.bottlenecks.unwrap(), ["big:review", "small:review"]);
}

// covers: L5
#[tokio::test(start_paused = true)]
async fn a_licence_limits_how_many_pipelines_there_are_and_how_many_run_at_once() {
    let bench = Bench::new();
    let config = GroupConfig {
        license: Some(LicenseManager::default()),
        ..GroupConfig::default()
    };
    let group = GroupOrchestrator::with_config(id("desk"), config, bench.clock()).unwrap();
    let pipeline = |name: &str| Arc::new(bench.gives(name, json!({})).takes(10));
    group.register_pipeline(pipeline("p1")).unwrap();
    group.register_pipeline(pipeline("p2")).unwrap();
    let error = group.register_pipeline(pipeline("p3")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "3 teams are more than the 2 of tier `community`"
    );

    let group = Arc::new(group);
    let first = tokio::spawn({
        let group = Arc::clone(&group);
        async move { group.orchestrate(run_id("r1"), &Fields::new()).await }
    });
    bench.clock.settle().await;
    let error = group
        .orchestrate(run_id("r2"), &Fields::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 pipelines at once are more than the 1 of tier `community`"
    );
    bench.clock.advance(Duration::from_secs(10)).await;
    first.await.unwrap().unwrap();
    assert!(bench.run(&group, "r2").await.is_ok());
}

// covers: G15
#[tokio::test(start_paused = true)]
async fn a_fan_out_keeps_the_limits_of_its_executor() {
    use crate::execution::{ExecutorConfig, PipelineExecutor};
    let bench = Bench::new();
    let config = ExecutorConfig {
        max_concurrent: 2,
        max_retries: 0,
        total_timeout: Duration::from_secs(25),
        ..ExecutorConfig::default()
    };
    let executor = Arc::new(PipelineExecutor::new(config, bench.clock()).unwrap());
    let names = ["p1", "p2", "p3", "p4", "p5", "p6"];
    let pipelines = names.map(|it| bench.gives(it, json!({it: 1})).takes(10));
    let group = bench
        .fan_out(AggregationStrategy::Merge, pipelines)
        .with_executor(executor);
    let group = Arc::new(group);
    let began = bench.clock.now();
    let outcome = bench.run(&group, "r1").await.unwrap();
    assert_eq!(bench.clock.now().since(began), Duration::from_secs(25));
    assert_eq!(
        json!(outcome.result),
        json!({"p1": 1, "p2": 1, "p3": 1, "p4": 1})
    );
    let late = outcome.outcomes[4].result.as_ref().unwrap_err();
    assert_eq!(
        (late.kind, late.message.as_str()),
        (PipelineFailureKind::Timeout, "total_timeout")
    );
    assert!(states(&group).iter().all(|(.., in_flight)| *in_flight == 0));
}
