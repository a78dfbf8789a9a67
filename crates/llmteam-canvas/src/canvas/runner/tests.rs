//! The runner's own promises: what the conformance cases do not say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use llmteam_security::audit::{AuditQuery, AuditTrails, MemoryAuditStore, OrderBy};
use llmteam_security::clock::{Clock, ManualClock, Timestamp, Wake};
use llmteam_security::id::TenantId;
use serde_json::{Value, json};

use super::*;
use crate::canvas::catalog::{StepCategory, StepTypeMetadata};
use crate::canvas::definition::{EdgeDefinition, StepDefinition};
use crate::canvas::handler::{EffectClass, StepError, StepHandler, StepOutcome};
use crate::runtime::StepContext;

/// What a test step does.
type Act = fn(u32, &StepContext) -> Result<Value, StepError>;

struct Acting {
    act: Act,
    calls: AtomicU32,
}

#[async_trait]
impl StepHandler for Acting {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        (self.act)(call, &ctx).map(StepOutcome::from)
    }
}

/// Never finishes unless it is told to stop.
struct Endless;

#[async_trait]
impl StepHandler for Endless {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        ctx.cancelled().await;
        Err(StepError::cancelled())
    }
}

/// Announces a call that must not be repeated, then never hears of its outcome.
struct Announcing;

#[async_trait]
impl StepHandler for Announcing {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        ctx.begin_effect(EffectClass::AtMostOnce).await?;
        std::future::pending().await
    }
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_micros(1_000_000))
}

fn runner(
    clock: &ManualClock,
    journal: &Arc<MemoryJournal>,
    handler: Arc<dyn StepHandler>,
) -> SegmentRunner {
    let catalog = StepCatalog::with_builtins();
    catalog.register(
        StepTypeMetadata::new("act", "Act", StepCategory::Utility),
        Some(handler),
    );
    SegmentRunner::builder()
        .catalog(catalog)
        .clock(Arc::new(clock.clone()))
        .journal(Arc::clone(journal) as Arc<dyn Journal>)
        .build()
}

fn acting(act: Act) -> Arc<dyn StepHandler> {
    Arc::new(Acting {
        act,
        calls: AtomicU32::new(0),
    })
}

fn chain(types: &[&str]) -> SegmentDefinition {
    let mut segment = SegmentDefinition::new("chain", "Chain");
    let id = |at: usize| format!("s{at}");
    segment.steps = types
        .iter()
        .enumerate()
        .map(|(at, kind)| StepDefinition::new(id(at), *kind))
        .collect();
    segment.edges = (1..types.len())
        .map(|at| EdgeDefinition::new(id(at - 1), id(at)))
        .collect();
    segment
}

fn tenant() -> TenantId {
    "t".parse().unwrap()
}

fn runtime(clock: &ManualClock, run: &str) -> RuntimeContext {
    RuntimeContext::builder(tenant(), Arc::new(clock.clone()))
        .run_id(run.parse::<RunId>().unwrap())
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_panicking_handler_fails_its_step_and_nothing_else() {
    let clock = clock();
    let runner = runner(
        &clock,
        &Arc::default(),
        acting(|_, _| panic!("out of coffee")),
    );
    let result = runner
        .run(
            &chain(&["act"]),
            runtime(&clock, "r"),
            json!({}),
            RunConfig::default(),
        )
        .await
        .unwrap();
    assert_eq!(result.status, SegmentStatus::Failed);
    let error = result.error.unwrap();
    assert_eq!(error.error_code.as_deref(), Some("HANDLER_PANICKED"));
    assert!(
        error.error_message.contains("out of coffee"),
        "{}",
        error.error_message
    );
}

// covers: X-07
#[tokio::test(start_paused = true)]
async fn a_run_id_is_used_once() {
    let clock = clock();
    let runner = runner(&clock, &Arc::default(), acting(|_, _| Ok(json!(1))));
    let segment = chain(&["act"]);
    let run = || {
        runner.run(
            &segment,
            runtime(&clock, "r"),
            json!({}),
            RunConfig::default(),
        )
    };
    assert_eq!(run().await.unwrap().status, SegmentStatus::Completed);
    assert!(matches!(run().await, Err(RunnerError::RunAlreadyExists(_))));
}

#[tokio::test(start_paused = true)]
async fn a_finished_step_is_not_run_again_by_a_recovery() {
    let clock = clock();
    let journal: Arc<MemoryJournal> = Arc::default();
    let segment = chain(&["transform", "act"]);
    let crashed = runner(&clock, &journal, Arc::new(Endless));
    let handle = crashed
        .start(
            &crashed.prepare(&segment).unwrap(),
            runtime(&clock, "r"),
            json!({"k": 1}),
            RunConfig::default(),
        )
        .await
        .unwrap();
    clock.settle().await;
    handle.abort();
    clock.settle().await;

    let recovered = runner(
        &clock,
        &journal,
        acting(|call, ctx| Ok(json!({"call": call, "got": *ctx.input().object()}))),
    );
    let config = RunConfig {
        collect_events: true,
        ..RunConfig::default()
    };
    let result = recovered
        .recover(&"r".parse().unwrap(), runtime(&clock, "r"), config)
        .await;
    let result = result.unwrap().join().await.unwrap();
    assert_eq!(result.status, SegmentStatus::Completed);
    assert_eq!(result.output["output"]["got"], json!({"input": {"k": 1}}));
    let types: Vec<&str> = result
        .events
        .iter()
        .map(|event| event.event_type.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "segment.started",
            "step.started",
            "step.completed",
            "step.started",
            "step.completed",
            "segment.completed"
        ]
    );
    let numbers: Vec<u64> = result.events.iter().map(|event| event.number()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_must_not_be_repeated_is_not_repeated_by_a_recovery() {
    let clock = clock();
    let journal: Arc<MemoryJournal> = Arc::default();
    let segment = chain(&["act"]);
    let crashed = runner(&clock, &journal, Arc::new(Announcing));
    let prepared = crashed.prepare(&segment).unwrap();
    let handle = crashed
        .start(
            &prepared,
            runtime(&clock, "r"),
            json!({}),
            RunConfig::default(),
        )
        .await
        .unwrap();
    clock.settle().await;
    handle.abort();
    clock.settle().await;

    let recovered = runner(&clock, &journal, acting(|_, _| Ok(json!("sent twice"))));
    let result = recovered
        .recover(
            &"r".parse().unwrap(),
            runtime(&clock, "r"),
            RunConfig::default(),
        )
        .await;
    let result = result.unwrap().join().await.unwrap();
    assert_eq!(result.status, SegmentStatus::Failed);
    assert_eq!(
        result.error.unwrap().error_code.as_deref(),
        Some("OUTCOME_UNKNOWN")
    );
}

// covers: X-69
#[tokio::test(start_paused = true)]
async fn cancel_returns_when_the_handler_is_gone() {
    let clock = clock();
    let runner = runner(&clock, &Arc::default(), Arc::new(Endless));
    let prepared = runner.prepare(&chain(&["act"])).unwrap();
    let handle = runner
        .start(
            &prepared,
            runtime(&clock, "r"),
            json!({}),
            RunConfig::default(),
        )
        .await
        .unwrap();
    clock.settle().await;
    assert!(runner.is_running(&tenant(), handle.run_id()));
    assert!(
        runner
            .cancel(&tenant(), &"r".parse().unwrap(), "enough", false)
            .await
            .unwrap()
    );
    let result = handle.join().await.unwrap();
    assert_eq!(result.status, SegmentStatus::Cancelled);
    assert_eq!(result.current_step.as_deref(), Some("s0"));
    assert!(
        !runner
            .cancel(&tenant(), &"r".parse().unwrap(), "again", false)
            .await
            .unwrap()
    );
}

// covers: X-97
#[tokio::test(start_paused = true)]
async fn another_tenant_neither_sees_nor_moves_a_run() {
    let clock = clock();
    let runner = runner(&clock, &Arc::default(), Arc::new(Endless));
    let prepared = runner.prepare(&chain(&["act"])).unwrap();
    let handle = runner
        .start(
            &prepared,
            runtime(&clock, "r"),
            json!({}),
            RunConfig::default(),
        )
        .await
        .unwrap();
    clock.settle().await;
    let other: TenantId = "other".parse().unwrap();
    assert!(
        !runner
            .cancel(&other, handle.run_id(), "not mine", true)
            .await
            .unwrap()
    );
    assert!(matches!(
        runner.pause(&other, handle.run_id()).await,
        Err(RunnerError::RunNotFound(_))
    ));
    assert_eq!(runner.get_status(&other, handle.run_id()), None);
    assert_eq!(
        runner.get_status(&tenant(), handle.run_id()),
        Some(SegmentStatus::Running)
    );
}

/// Waits for work that takes an hour.
struct Slow(ManualClock);

#[async_trait]
impl StepHandler for Slow {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let done = self.0.now().saturating_add(Duration::from_secs(3_600));
        tokio::select! {
            () = self.0.sleep_until(done, Wake::Work) => Ok(json!("late").into()),
            () = ctx.cancelled() => Err(StepError::cancelled()),
        }
    }
}

// covers: X-67
#[tokio::test(start_paused = true)]
async fn a_segment_has_its_time() {
    let clock = clock();
    let runner = runner(&clock, &Arc::default(), Arc::new(Slow(clock.clone())));
    let prepared = runner.prepare(&chain(&["act"])).unwrap();
    let handle = runner
        .start(
            &prepared,
            runtime(&clock, "r"),
            json!({}),
            RunConfig::default(),
        )
        .await
        .unwrap();
    clock.settle().await;
    clock
        .advance_to(clock.now().saturating_add(Duration::from_secs(301)))
        .await;
    let result = handle.join().await.unwrap();
    assert_eq!(result.status, SegmentStatus::Timeout);
    assert_eq!(result.duration_ms, 300_000);
    assert!(result.error.unwrap().error_message.contains("timed out"));
}

// covers: X-98
#[tokio::test(start_paused = true)]
async fn a_key_starts_one_run() {
    let clock = clock();
    let journal: Arc<MemoryJournal> = Arc::default();
    let runner = runner(&clock, &journal, acting(|call, _| Ok(json!(call))));
    let prepared = runner.prepare(&chain(&["act"])).unwrap();
    let start = |key: &'static str, run: &'static str, input: Value| {
        let (runner, prepared, runtime) = (&runner, &prepared, runtime(&clock, run));
        async move {
            runner
                .start_once(key, prepared, runtime, input, RunConfig::default())
                .await
        }
    };
    let Ok(StartedOnce::Started(first)) = start("k", "a", json!({"n": 1})).await else {
        panic!("not started")
    };
    first.join().await.unwrap();
    let Ok(StartedOnce::Known(row)) = start("k", "b", json!({"n": 1})).await else {
        panic!("started twice")
    };
    assert_eq!(
        (row.run.as_str(), row.state),
        ("a", SegmentStatus::Completed)
    );
    let conflict = start("k", "c", json!({"n": 2})).await;
    assert!(
        matches!(conflict, Err(RunnerError::KeyConflict { run_id, .. }) if run_id.as_str() == "a")
    );
    assert!(matches!(
        start("other", "d", json!({"n": 2})).await,
        Ok(StartedOnce::Started(_))
    ));
    assert!(matches!(
        start("", "e", json!({})).await,
        Err(RunnerError::InvalidKey)
    ));
}

/// Fails once, then succeeds.
fn on_the_second_attempt(call: u32, _: &StepContext) -> Result<Value, StepError> {
    match call {
        1 => Err(StepError::new("BusyError", "not now")),
        _ => Ok(json!(call)),
    }
}

#[tokio::test(start_paused = true)]
async fn the_audit_log_says_once_how_a_run_ended_and_nothing_of_attempts_that_are_repeated() {
    let clock = clock();
    let trails = AuditTrails::new(
        Arc::new(MemoryAuditStore::new().unwrap()),
        Arc::new(clock.clone()),
    );
    let journal = Arc::new(MemoryJournal::default().audited(trails.clone()));
    let runner = runner(&clock, &journal, acting(on_the_second_attempt));
    let mut retried = chain(&["act"]);
    retried.steps[0]
        .config
        .insert("retry_count".into(), json!(1));
    let unknown = chain(&["rag"]);
    for (run, segment, said) in [
        (
            "retried",
            retried,
            ["pipeline.started", "pipeline.completed"].as_slice(),
        ),
        ("unknown", unknown, &["pipeline.started", "pipeline.failed"]),
    ] {
        let prepared = runner.prepare(&segment).unwrap();
        let settings = RunConfig::default();
        let handle = runner
            .start(&prepared, runtime(&clock, run), json!({}), settings)
            .await
            .unwrap();
        clock.settle().await;
        clock.advance(Duration::from_secs(60)).await;
        handle.join().await.unwrap();
        let query = AuditQuery {
            run_id: Some(run.to_owned()),
            order_by: OrderBy::SequenceNumber,
            order_desc: false,
            ..AuditQuery::default()
        };
        let records = trails.of(&tenant()).query(&query).await.unwrap();
        let found: Vec<_> = records.iter().map(|it| it.event_type().as_str()).collect();
        assert_eq!(found, said, "{run}");
    }
}
