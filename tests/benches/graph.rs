//! Graph overhead in memory: durability `memory`, no subscriber, no collected events.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use llmteam::canvas::catalog::{StepCatalog, StepCategory, StepTypeMetadata};
use llmteam::canvas::definition::{EdgeDefinition, SegmentDefinition, StepDefinition};
use llmteam::canvas::handler::{StepError, StepHandler, StepOutcome};
use llmteam::canvas::machine::RunSettings;
use llmteam::canvas::runner::{PreparedSegment, RunConfig, SegmentRunner, SegmentStatus};
use llmteam::clock::SystemClock;
use llmteam::runtime::{RuntimeContext, StepContext};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::measure::{Report, rate, two_workers};

/// Returns the object it received.
struct Pass;

#[async_trait]
impl StepHandler for Pass {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        Ok(ctx.input().subject().into())
    }
}

/// A catalog with one more type, `pass`.
pub(crate) fn catalog() -> StepCatalog {
    let catalog = StepCatalog::with_builtins();
    catalog.register(
        StepTypeMetadata::new("pass", "Pass", StepCategory::Utility),
        Some(Arc::new(Pass)),
    );
    catalog
}

/// `steps` steps in a row.
pub(crate) fn chain(steps: usize) -> SegmentDefinition {
    let mut segment = SegmentDefinition::new("chain", "Chain");
    segment.steps = (0..steps)
        .map(|at| StepDefinition::new(format!("s{at}"), "pass"))
        .collect();
    segment.edges = (1..steps)
        .map(|at| EdgeDefinition::new(format!("s{}", at - 1), format!("s{at}")))
        .collect();
    segment
}

/// One step, `leaves` beside each other, and a join of all of them.
fn fan(leaves: usize) -> SegmentDefinition {
    let mut segment = SegmentDefinition::new("fan", "Fan");
    segment.params.parallel_execution = true;
    segment.steps.push(StepDefinition::new("src", "pass"));
    for at in 0..leaves {
        segment
            .steps
            .push(StepDefinition::new(format!("leaf{at}"), "pass"));
        segment
            .edges
            .push(EdgeDefinition::new("src", format!("leaf{at}")));
    }
    segment
        .steps
        .push(StepDefinition::new("join", "parallel_join"));
    for at in 0..leaves {
        let mut edge = EdgeDefinition::new(format!("leaf{at}"), "join");
        edge.to_port = format!("branch_{}", at + 1);
        segment.edges.push(edge);
    }
    segment
}

/// A context for a new run.
pub(crate) fn context() -> RuntimeContext {
    RuntimeContext::builder(
        "bench".parse().expect("`bench` is an id"),
        Arc::new(SystemClock),
    )
    .build()
}

/// Runs a prepared segment to its end.
pub(crate) async fn run_one(runner: &SegmentRunner, segment: &PreparedSegment) -> Arc<Value> {
    let config = RunConfig {
        settings: RunSettings {
            max_parallel_steps: 100,
            ..RunSettings::default()
        },
        ..RunConfig::default()
    };
    let result = runner
        .run_prepared(segment, context(), json!({"n": 1}), config)
        .await
        .expect("the run is accepted");
    assert_eq!(result.status, SegmentStatus::Completed);
    result.output
}

/// A step that costs nothing, as a future of its own: takes an object and returns it.
fn boxed(value: Value) -> BoxFuture<'static, Value> {
    Box::pin(async move { std::hint::black_box(value) })
}

/// Steps that cost nothing, one after the other, without a spawn.
async fn boxed_steps(mut value: Value, steps: usize) -> Value {
    for _ in 0..steps {
        value = boxed(value).await;
    }
    value
}

pub(crate) fn measure(report: &mut Report) {
    let runtime = two_workers();
    let runner = SegmentRunner::builder()
        .catalog(catalog())
        .without_journal()
        .without_events()
        .build();
    let prepare =
        |segment: &SegmentDefinition| runner.prepare(segment).expect("the segment is valid");
    let input = || json!({"n": 1});

    if report.wants("graph/chain100") {
        const RUNS: usize = 200;
        let segment = prepare(&chain(100));
        let ours = rate(&runtime, RUNS * 100, || async {
            for _ in 0..RUNS {
                run_one(&runner, &segment).await;
            }
        });
        let floor = rate(&runtime, RUNS * 100, || async {
            for _ in 0..RUNS {
                std::hint::black_box(boxed_steps(input(), 100).await);
            }
        });
        report.add(
            "graph/chain100",
            "steps/s",
            ours,
            ("a boxed future per step", floor),
            1.0 / 16.0,
        );
    }
    if report.wants("graph/fan100") {
        const RUNS: usize = 200;
        let segment = prepare(&fan(100));
        let ours = rate(&runtime, RUNS * 102, || async {
            for _ in 0..RUNS {
                let output = run_one(&runner, &segment).await;
                assert_eq!(output["output"].as_array().map(Vec::len), Some(100));
            }
        });
        let floor = rate(&runtime, RUNS * 102, || async {
            for _ in 0..RUNS {
                let value = boxed_steps(input(), 1).await;
                let leaves = (0..100).map(|_| boxed(value.clone()));
                let all = futures_util::future::join_all(leaves).await;
                std::hint::black_box(boxed_steps(Value::Array(all), 1).await);
            }
        });
        report.add(
            "graph/fan100",
            "steps/s",
            ours,
            ("join_all in one task", floor),
            1.0 / 2.2,
        );
    }
    if report.wants("graph/runs1000x10") {
        let segment = prepare(&chain(10));
        let ours = rate(&runtime, 10_000, || async {
            let mut runs = JoinSet::new();
            for _ in 0..1_000 {
                let (runner, segment) = (runner.clone(), segment.clone());
                runs.spawn(async move { run_one(&runner, &segment).await });
            }
            assert_eq!(runs.join_all().await.len(), 1_000);
        });
        let floor = rate(&runtime, 10_000, || async {
            let mut runs = JoinSet::new();
            for _ in 0..1_000 {
                runs.spawn(async move { boxed_steps(input(), 10).await });
            }
            assert_eq!(runs.join_all().await.len(), 1_000);
        });
        report.add(
            "graph/runs1000x10",
            "steps/s",
            ours,
            ("a task per run", floor),
            1.0 / 2.1,
        );
    }
}
