//! Histories and what process mining is told.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::roles::{
    RunPath,
    mining::{LogOptions, Outcome, ReadLimits},
};

// covers: PI07, M3
#[tokio::test(start_paused = true)]
async fn a_run_is_one_case_and_work_one_instance_each() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([decision(DecisionType::Parallel, &["a", "b"])]);
    for name in ["a", "b"] {
        let worker = bench.gives(json!({})).takes(Duration::from_secs(2));
        pipeline.register_agent(id(name), Arc::new(worker)).unwrap();
    }
    let pipeline = Arc::new(pipeline);
    let running = Arc::clone(&pipeline);
    bench
        .run(async move {
            running
                .orchestrate(run_id("r1"), &Fields::new())
                .await
                .unwrap()
        })
        .await;
    let mining = pipeline.process_mining().unwrap();
    assert_eq!(mining.get_case_count(), 1);
    assert_eq!(
        mining.get_event_count(),
        6,
        "two decisions, two starts, two completions"
    );
    let log = mining.log(LogOptions::default()).unwrap();
    assert_eq!(log.instance_count(), 2);
    let names: Vec<&str> = log.activities().iter().map(|it| &**it).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(log.service_micros(0), 2_000_000);
    assert_eq!(log.case_outcome(0), Some(Outcome::Completed));
}

// covers: PI08, PI09
#[tokio::test(start_paused = true)]
async fn metrics_exist_after_a_run_and_only_with_mining() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([]);
    pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    let metrics = pipeline.get_process_metrics().unwrap().unwrap();
    assert_eq!(metrics.completion_rate, 1.0);
    let without = bench.builder().process_mining(false).build().unwrap();
    without
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(without.get_process_metrics().unwrap(), None);
}

// covers: PI10
#[tokio::test(start_paused = true)]
async fn the_log_of_the_runs_is_xes() {
    let bench = Bench::new();
    let pipeline = bench.builder().build().unwrap();
    let agent = bench.gives(json!({}));
    pipeline
        .register_agent(id("draft"), Arc::new(agent))
        .unwrap();
    pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    let xes = pipeline.export_process_log().unwrap().unwrap();
    assert!(xes.starts_with("<?xml "), "{xes}");
    let read = crate::roles::mining::import_xes(
        xes.as_bytes(),
        LogOptions::default(),
        ReadLimits::default(),
    )
    .unwrap();
    assert_eq!(read.log.case_name(0), "r1");
    assert_eq!(read.log.instance_count(), 1);
    let without = bench.builder().process_mining(false).build().unwrap();
    assert!(without.export_process_log().unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_model_says_what_followed_what() {
    let bench = Bench::new();
    let pipeline = bench.builder().build().unwrap();
    for name in ["draft", "review"] {
        let agent = bench.gives(json!({}));
        pipeline.register_agent(id(name), Arc::new(agent)).unwrap();
    }
    pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    let model = pipeline.export_process_model().unwrap().unwrap();
    assert_eq!(model.activities, ["draft", "review"]);
    assert_eq!(model.transitions["draft"], ["review"]);
    let without = bench.builder().process_mining(false).build().unwrap();
    assert!(without.export_process_model().unwrap().is_none());
}

// covers: PI11
#[tokio::test(start_paused = true)]
async fn history_says_step_decision_and_time() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([decision(DecisionType::Route, &["a"])]);
    pipeline
        .register_agent(id("a"), Arc::new(bench.gives(json!({}))))
        .unwrap();
    pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    let history = pipeline.get_execution_history(&RunPath::from(run_id("r1")));
    assert_eq!(
        json!(history),
        json!([
            {"step": "start", "timestamp": "1970-01-01T00:00:01.000000Z",
             "decision": {"type": "route", "targets": ["a"], "reason": "scripted", "source": {"by": "strategy"}},
             "executions": [{"agent": "a", "duration_ms": 0.0}]},
            {"step": "a", "timestamp": "1970-01-01T00:00:01.000000Z",
             "decision": {"type": "end", "targets": [], "reason": "nothing more is scripted",
                          "source": {"by": "strategy"}},
             "executions": []}
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_called_off_is_a_case_that_was_called_off() {
    let bench = Bench::new();
    let pipeline = Arc::new(bench.pipeline([decision(DecisionType::Route, &["a"])]));
    let worker = bench.gives(json!({})).takes(Duration::from_secs(60));
    pipeline.register_agent(id("a"), Arc::new(worker)).unwrap();
    let running = Arc::clone(&pipeline);
    let run = tokio::spawn(async move { running.orchestrate(run_id("r1"), &Fields::new()).await });
    bench.clock.settle().await;
    run.abort();
    bench.clock.settle().await;
    let log = pipeline
        .process_mining()
        .unwrap()
        .log(LogOptions::default())
        .unwrap();
    assert_eq!(log.case_outcome(0), Some(Outcome::Cancelled));
    assert_eq!(log.instance(0).outcome, Some(Outcome::Failed));
    assert_eq!(pipeline.kept_runs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_mining_refuses_is_a_warning() {
    let bench = Bench::new();
    let engine = Arc::new(crate::roles::mining::ProcessMiningEngine::new(
        bench.clock(),
    ));
    let make = || {
        bench
            .builder()
            .mining_engine(Arc::clone(&engine))
            .build()
            .unwrap()
    };
    // Two pipelines share an engine and a run id, which they must not.
    make()
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    let outcome = make()
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    let warnings: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["an event was not recorded: event `r1:1` is already recorded"]
    );
}
