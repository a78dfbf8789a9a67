//! Agents that come and go, runs that begin, end, and begin again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::json;

use super::*;
use crate::{
    licensing::LicenseManager,
    roles::{RuleBasedStrategy, RunPath},
};

// covers: PI01, PI02, PI03
#[test]
fn a_pipeline_keeps_what_it_was_made_of() {
    let bench = Bench::new();
    let plain = PipelineOrchestrator::new(id("news"), bench.clock()).unwrap();
    assert_eq!(plain.pipeline_id().as_str(), "news");
    assert!(plain.process_mining().is_some());
    let strategy: Arc<dyn OrchestrationStrategy> = Arc::new(RuleBasedStrategy::new());
    let other = bench
        .builder()
        .strategy(Arc::clone(&strategy))
        .process_mining(false);
    let other = other.build().unwrap();
    assert!(Arc::ptr_eq(other.strategy(), &strategy));
    assert!(other.process_mining().is_none());
}

// covers: PI04, PI05
#[test]
fn agents_are_registered_in_order_replaced_in_place_and_taken_away() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([]);
    for name in ["b", "a", "b"] {
        pipeline
            .register_agent(id(name), Arc::new(bench.gives(json!({}))))
            .unwrap();
    }
    assert_eq!(pipeline.agents(), [id("b"), id("a")]);
    assert!(pipeline.unregister_agent(&id("b")));
    assert!(!pipeline.unregister_agent(&id("b")));
    assert_eq!(pipeline.agents(), [id("a")]);
}

// covers: L5
#[tokio::test(start_paused = true)]
async fn a_licence_limits_how_many_agents_there_are_and_how_many_work_at_once() {
    let bench = Bench::new();
    let strategy = Scripted::new([decision(
        DecisionType::Parallel,
        &["a1", "a2", "a3", "a4", "a5"],
    )]);
    let pipeline = bench
        .builder()
        .strategy(strategy)
        .license(LicenseManager::default());
    let pipeline = Arc::new(pipeline.build().unwrap());
    let agent = || Arc::new(bench.gives(json!({})).takes(Duration::from_secs(10)));
    for n in 1..=5 {
        pipeline
            .register_agent(id(&format!("a{n}")), agent())
            .unwrap();
    }
    pipeline.register_agent(id("a5"), agent()).unwrap();
    let error = pipeline.register_agent(id("a6"), agent()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "6 agents in a pipeline are more than the 5 of tier `community`"
    );
    let began = bench.clock.now();
    let outcome = bench
        .run(async move {
            pipeline
                .orchestrate(run_id("r1"), &Fields::new())
                .await
                .unwrap()
        })
        .await;
    assert!(outcome.is_success());
    assert_eq!(bench.clock.now().since(began), Duration::from_secs(30));
}

// covers: PI06
#[tokio::test(start_paused = true)]
async fn an_agent_works_once_and_its_result_is_in_the_state() {
    let bench = Bench::new();
    let pipeline = bench.pipeline([decision(DecisionType::Route, &["a"])]);
    let agent = Arc::new(bench.gives(json!({"text": "done"})));
    pipeline.register_agent(id("a"), agent.clone()).unwrap();
    let input = fields(json!({"topic": "rust"}));
    let outcome = pipeline.orchestrate(run_id("r1"), &input).await.unwrap();
    assert!(outcome.is_success());
    assert_eq!(
        json!(outcome.state),
        json!({"topic": "rust", "text": "done"})
    );
    assert_eq!((outcome.steps, outcome.warnings.len()), (2, 0));
    assert_eq!(agent.calls.load(Ordering::Relaxed), 1);
}

// covers: O1
#[tokio::test(start_paused = true)]
async fn by_default_each_agent_works_once_in_order() {
    let bench = Bench::new();
    let pipeline = bench.builder().build().unwrap();
    for name in ["one", "two", "three"] {
        let worker = bench.worker(move |input, _| {
            let mut order = input["order"].as_array().unwrap().clone();
            order.push(name.into());
            Ok(fields(json!({ "order": order })))
        });
        pipeline.register_agent(id(name), Arc::new(worker)).unwrap();
    }
    let input = fields(json!({"order": []}));
    let outcome = pipeline.orchestrate(run_id("r1"), &input).await.unwrap();
    assert_eq!(outcome.state["order"], json!(["one", "two", "three"]));
    assert_eq!(outcome.decision.reason, "no_more_agents");
}

// covers: O6
#[tokio::test(start_paused = true)]
async fn agents_may_be_called_like_the_ends_of_a_run() {
    let bench = Bench::new();
    let pipeline = bench.builder().build().unwrap();
    for name in ["end", "start"] {
        pipeline
            .register_agent(id(name), Arc::new(bench.gives(json!({name: 1}))))
            .unwrap();
    }
    let outcome = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap();
    assert_eq!(json!(outcome.state), json!({"end": 1, "start": 1}));
}

// covers: O10
#[tokio::test(start_paused = true)]
async fn nobody_changes_the_callers_input() {
    let bench = Bench::new();
    let pipeline = bench.builder().build().unwrap();
    let worker = bench.worker(|input, _| {
        let mut copy = input.clone();
        copy["nested"]["n"] = json!(2);
        Ok(copy)
    });
    pipeline.register_agent(id("a"), Arc::new(worker)).unwrap();
    let input = fields(json!({"nested": {"n": 1}}));
    let outcome = pipeline.orchestrate(run_id("r1"), &input).await.unwrap();
    assert_eq!(input["nested"]["n"], json!(1));
    assert_eq!(outcome.state["nested"]["n"], json!(2));
}

// covers: O17
#[tokio::test(start_paused = true)]
async fn a_run_is_under_way_once_and_running_it_again_is_its_next_attempt() {
    let bench = Bench::new();
    let pipeline = Arc::new(bench.builder().build().unwrap());
    let slow = bench.gives(json!({})).takes(Duration::from_secs(9));
    pipeline.register_agent(id("slow"), Arc::new(slow)).unwrap();
    let start = |pipeline: &Arc<PipelineOrchestrator>| {
        let pipeline = Arc::clone(pipeline);
        async move { pipeline.orchestrate(run_id("r1"), &Fields::new()).await }
    };
    let first = tokio::spawn(start(&pipeline));
    bench.clock.settle().await;
    assert_eq!(pipeline.live_runs(), 1);
    let error = start(&pipeline).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "run `r1` of pipeline `news` is under way; wait for it or choose another id"
    );
    assert_eq!(error.partial(), None);
    bench.clock.advance(Duration::from_secs(9)).await;
    assert_eq!(first.await.unwrap().unwrap().run.to_string(), "r1");

    let second = tokio::spawn(start(&pipeline));
    bench.clock.settle().await;
    second.abort();
    bench.clock.settle().await;
    assert_eq!(
        pipeline.live_runs(),
        0,
        "a run that is dropped is not under way"
    );
    let third = bench.run(start(&pipeline)).await.unwrap();
    assert_eq!(third.run.to_string(), "r1#3");
    assert_eq!(pipeline.process_mining().unwrap().get_case_count(), 3);
}

// covers: O11
#[tokio::test(start_paused = true)]
async fn each_run_has_its_own_history_and_only_so_many_are_kept() {
    let bench = Bench::new();
    let strategy = Scripted::new([]);
    let config = PipelineConfig {
        kept_histories: 2,
        ..PipelineConfig::default()
    };
    let pipeline = bench
        .builder()
        .strategy(strategy.clone())
        .config(config)
        .build()
        .unwrap();
    for run in ["r1", "r2", "r3"] {
        pipeline
            .orchestrate(run_id(run), &Fields::new())
            .await
            .unwrap();
    }
    let path = |run: &str| RunPath::from(run_id(run));
    assert_eq!(pipeline.kept_runs(), [path("r2"), path("r3")]);
    assert_eq!(pipeline.get_execution_history(&path("r1")).len(), 0);
    assert_eq!(pipeline.get_execution_history(&path("r3")).len(), 1);
    for context in &*strategy.shown.lock().unwrap() {
        assert_eq!(
            context.execution_history.len(),
            0,
            "a run sees nothing of another"
        );
    }
}

// covers: O2
#[tokio::test(start_paused = true)]
async fn a_run_takes_so_many_steps_and_so_long() {
    let bench = Bench::new();
    let forever = || {
        RuleBasedStrategy::new().add_rule("again", |_| Some(decision(DecisionType::Route, &["a"])))
    };
    let config = PipelineConfig {
        max_steps: 7,
        ..PipelineConfig::default()
    };
    let pipeline = bench
        .builder()
        .strategy(Arc::new(forever()))
        .config(config)
        .build()
        .unwrap();
    let agent = Arc::new(bench.gives(json!({"n": 1})));
    pipeline.register_agent(id("a"), agent.clone()).unwrap();
    let error = pipeline
        .orchestrate(run_id("r1"), &Fields::new())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "run `r1` did not end within 7 steps");
    assert_eq!(agent.calls.load(Ordering::Relaxed), 7);
    assert_eq!(error.partial().unwrap().state["n"], json!(1));

    let config = PipelineConfig {
        run_timeout: Duration::from_secs(60),
        ..PipelineConfig::default()
    };
    let pipeline = bench
        .builder()
        .strategy(Arc::new(forever()))
        .config(config)
        .build()
        .unwrap();
    let slow = bench.gives(json!({"n": 1})).takes(Duration::from_secs(25));
    pipeline.register_agent(id("a"), Arc::new(slow)).unwrap();
    let began = bench.clock.now();
    let error = bench
        .run(async move {
            pipeline
                .orchestrate(run_id("r1"), &Fields::new())
                .await
                .unwrap_err()
        })
        .await;
    assert_eq!(error.to_string(), "run `r1` did not end within 60 s");
    assert_eq!(bench.clock.now().since(began), Duration::from_secs(60));
    assert_eq!(error.partial().unwrap().steps, 3);
}

#[test]
fn a_bound_of_zero_is_refused() {
    let config = PipelineConfig {
        max_steps: 0,
        run_timeout: Duration::ZERO,
        ..PipelineConfig::default()
    };
    let error = Bench::new().builder().config(config).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "these fields of the configuration must be more than 0: max_steps, run_timeout"
    );
}
