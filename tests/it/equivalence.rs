//! Random graphs: what holds in every run, whatever the graph.

use llmteam_tests::conformance::{Observed, breaches};
use llmteam_tests::oracle::{Outcome, Scenario, interpret, random_scenario};
use serde_json::{Value, json};

fn run(scenario: &Scenario) -> Outcome {
    interpret(scenario).expect("random scenarios use only what the interpreter covers")
}

fn steps(scenario: &Scenario) -> &[Value] {
    scenario.segment["steps"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

//
#[test]
fn the_interpreter_keeps_the_rules_of_every_run() {
    for seed in 0..3_000 {
        let scenario = random_scenario(seed);
        let breaches = breaches(&scenario.segment, &Observed::from(run(&scenario)));
        assert!(breaches.is_empty(), "seed {seed}: {breaches:?}");
    }
}

/// The conditions of X-74: a run that completes, without races, pauses, escalations and timeouts.
fn timing_matters(scenario: &Scenario, outcome: &Outcome) -> bool {
    let race = |step: &Value| {
        matches!(
            step["config"]["merge_strategy"].as_str(),
            Some("any" | "first")
        )
    };
    let limited = |step: &Value| !step["config"]["timeout_seconds"].is_null();
    let asked_twice = outcome
        .events
        .iter()
        .any(|event| event.kind == "human.task_escalated");
    let human_timeout = outcome
        .events
        .iter()
        .any(|event| event.payload["error"]["error_code"] == "HUMAN_TIMEOUT");
    outcome.status != "completed"
        || asked_twice
        || human_timeout
        || !scenario.control.is_empty()
        || scenario.run.contains_key("timeout_ms")
        || !scenario.segment["params"]["timeout_seconds"].is_null()
        || steps(scenario)
            .iter()
            .any(|step| race(step) || limited(step))
}

//
#[test]
fn neither_mode_nor_step_order_changes_what_a_completing_run_does() {
    let mut compared = 0;
    for seed in 0..10_000 {
        let scenario = random_scenario(seed);
        let outcome = run(&scenario);
        if timing_matters(&scenario, &outcome) {
            continue;
        }
        let mut other = scenario.clone();
        other.segment["params"]["parallel_execution"] =
            json!(scenario.segment["params"]["parallel_execution"] != true);
        if let Some(steps) = other.segment["steps"].as_array_mut() {
            steps.reverse();
        }
        let other = run(&other);
        let sorted = |outcome: &Outcome| {
            let mut events: Vec<String> = outcome
                .events
                .iter()
                .map(|event| format!("{} {}", event.label(), event.payload))
                .collect();
            events.sort();
            events
        };
        assert_eq!(sorted(&outcome), sorted(&other), "seed {seed}");
        assert_eq!(outcome.output, other.output, "seed {seed}");
        compared += 1;
    }
    assert!(compared > 500, "only {compared} runs qualify");
}
