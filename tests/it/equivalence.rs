//! Random graphs: what holds in every run, whatever the graph.

use llmteam_canvas::canvas::machine::{End, Outbox, RunMachine, RunPhase};
use llmteam_canvas::events::WorktrailEvent;
use llmteam_tests::conformance::{Observed, Seen, breaches};
use llmteam_tests::oracle::{Outcome, Scenario, interpret, random_scenario};
use llmteam_tests::simulation::{Prepared, Simulated, simulate};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

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

/// A run as both sides tell it: status, error type, step to blame, output, counts, and one line per event.
#[derive(Debug, PartialEq)]
struct Story {
    status: &'static str,
    error: Option<String>,
    current_step: Option<String>,
    output: Value,
    counts: [u64; 3],
    events: Vec<String>,
}

/// What an event says, without what only one of the two sides knows.
fn line(at_ms: u64, label: &str, payload: &Value) -> String {
    let mut payload = payload.clone();
    for key in ["snapshot_id", "task_id", "duration_ms"] {
        payload.as_object_mut().map(|fields| fields.remove(key));
    }
    if label == "segment.failed" || label == "segment.cancelled" {
        payload = json!({});
    }
    blank_messages(&mut payload);
    format!("{at_ms} {label} {payload}")
}

fn blank_messages(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match key.as_str() {
                    "error_message" => *value = json!(""),
                    _ => blank_messages(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank_messages),
        _ => {}
    }
}

fn told_by_the_interpreter(outcome: &Outcome) -> Story {
    let status = [
        "completed",
        "failed",
        "cancelled",
        "timeout",
        "paused",
        "waiting",
    ];
    let mut output = outcome.output.clone();
    blank_messages(&mut output);
    Story {
        status: status
            .into_iter()
            .find(|status| *status == outcome.status)
            .unwrap_or("other"),
        error: outcome.error_type.clone(),
        current_step: outcome.current_step.clone(),
        output,
        counts: [
            outcome.steps_completed,
            outcome.steps_failed,
            outcome.steps_skipped,
        ],
        events: outcome
            .events
            .iter()
            .map(|event| line(event.at_ms, &event.label(), &event.payload))
            .collect(),
    }
}

fn told_by_the_machine(simulated: &Simulated) -> Story {
    let machine = &simulated.machine;
    let counts = machine.counts();
    let (status, error, output) = match machine.phase() {
        RunPhase::Ended(End::Completed { output }) => ("completed", None, output.as_ref().clone()),
        RunPhase::Ended(End::Failed { error, .. }) => {
            ("failed", Some(&error.error_type), json!({}))
        }
        RunPhase::Ended(End::TimedOut { error, .. }) => {
            ("timeout", Some(&error.error_type), json!({}))
        }
        RunPhase::Ended(End::Cancelled { .. }) => ("cancelled", None, json!({})),
        RunPhase::Paused { .. } => ("paused", None, json!({})),
        _ if machine.is_waiting() => ("waiting", None, json!({})),
        _ => ("other", None, json!({})),
    };
    let mut output = output;
    blank_messages(&mut output);
    let event_line = |event: &WorktrailEvent| {
        let at_ms = u64::try_from(event.timestamp.as_micros() / 1_000).unwrap_or(0);
        let event = Seen::from(event);
        line(at_ms, &event.label(), &event.payload)
    };
    Story {
        status,
        error: error.cloned(),
        current_step: machine
            .current_step()
            .map(|step| machine.step_id(step).to_string()),
        output,
        counts: [counts.completed, counts.failed, counts.skipped].map(u64::from),
        events: simulated.events.iter().map(event_line).collect(),
    }
}

/// Where two stories part.
fn difference(interpreter: &Story, machine: &Story) -> String {
    let apart = interpreter
        .events
        .iter()
        .zip(&machine.events)
        .position(|(a, b)| a != b);
    let apart = apart.unwrap_or(interpreter.events.len().min(machine.events.len()));
    let from = apart.saturating_sub(6);
    let tail = |story: &Story| {
        let events = story
            .events
            .iter()
            .skip(from)
            .take(12)
            .map(|event| format!("\n    {event}"));
        let head = (
            &story.status,
            &story.error,
            &story.current_step,
            story.counts,
            &story.output,
        );
        format!("{head:?}{}", events.collect::<String>())
    };
    format!(
        "they part at event {apart}\n  interpreter {}\n  machine {}",
        tail(interpreter),
        tail(machine)
    )
}

fn compare_with_the_machine(seeds: Range<u64>) {
    let mut wrong = Vec::new();
    for seed in seeds {
        let scenario = random_scenario(seed);
        let outcome = run(&scenario);
        let interpreter = told_by_the_interpreter(&outcome);
        match simulate(&scenario) {
            Ok(simulated) => {
                let machine = told_by_the_machine(&simulated);
                if interpreter != machine {
                    wrong.push(format!(
                        "seed {seed}: {}",
                        difference(&interpreter, &machine)
                    ));
                }
            }
            Err(why) => wrong.push(format!("seed {seed}: {why}")),
        }
    }
    let shown: Vec<&str> = wrong.iter().take(5).map(String::as_str).collect();
    assert!(
        wrong.is_empty(),
        "{} graphs differ\n{}",
        wrong.len(),
        shown.join("\n")
    );
}

/// 20,000 graphs in four tests, so that shards share them.
mod the_machine_does_what_the_interpreter_does {
    use super::compare_with_the_machine;

    #[test]
    fn on_the_first_graphs() {
        compare_with_the_machine(0..5_000);
    }

    #[test]
    fn on_the_second_graphs() {
        compare_with_the_machine(5_000..10_000);
    }

    #[test]
    fn on_the_third_graphs() {
        compare_with_the_machine(10_000..15_000);
    }

    #[test]
    fn on_the_last_graphs() {
        compare_with_the_machine(15_000..20_000);
    }
}

/// Folds `records` into a fresh machine, each as it is read back from JSON.
fn folded(prepared: &Prepared, simulated: &Simulated, until: usize) -> (RunMachine, Outbox) {
    let mut machine = prepared.machine();
    let mut out = Outbox {
        wants_events: true,
        ..Outbox::default()
    };
    for record in &simulated.records[..until] {
        let text = serde_json::to_string(record).expect("a record is JSON");
        let record = serde_json::from_str(&text).expect("a record reads back");
        machine
            .apply(&record, &mut out)
            .expect("a record that was folded once folds again");
    }
    (machine, out)
}

/// A crash after any record loses nothing: what was stored, folded again, has the same state, asks for
/// the open attempts and delays again, and goes on to the same end with the same events.
#[test]
fn folding_any_prefix_and_going_on_equals_never_having_stopped() {
    for seed in 0..1_500 {
        let scenario = random_scenario(seed);
        let simulated = simulate(&scenario).expect("random scenarios can be simulated");
        let prepared = Prepared::new(&scenario).expect("and so compiled");
        let (whole, all) = folded(&prepared, &simulated, simulated.records.len());
        assert_eq!(whole.view(), simulated.machine.view(), "seed {seed}");
        let events: Vec<_> = all
            .events
            .iter()
            .map(|event| prepared.draw(event))
            .collect();
        assert_eq!(events, simulated.events, "seed {seed}");
        for stop in 1..=simulated.records.len() {
            let (mut machine, mut out) = folded(&prepared, &simulated, stop);
            assert_eq!(
                machine.commands(),
                simulated.open[stop - 1],
                "seed {seed}, record {stop}"
            );
            for record in &simulated.records[stop..] {
                assert_eq!(
                    record.first_event,
                    machine.next_event(),
                    "seed {seed}, record {stop}"
                );
                machine.apply(record, &mut out).expect("the rest follows");
            }
            assert_eq!(machine.view(), whole.view(), "seed {seed}, record {stop}");
            assert_eq!(out.events.len(), events.len(), "seed {seed}, record {stop}");
        }
    }
}

/// The checks of every case, on the machine's own events.
//
#[test]
fn the_machine_keeps_the_rules_of_every_run() {
    for seed in 20_000..22_000 {
        let scenario = random_scenario(seed);
        let simulated = simulate(&scenario).expect("random scenarios can be simulated");
        let seen = Observed {
            status: told_by_the_machine(&simulated).status.to_owned(),
            events: simulated.events.iter().map(Seen::from).collect(),
            ..Observed::default()
        };
        let breaches = breaches(&scenario.segment, &seen);
        assert!(breaches.is_empty(), "seed {seed}: {breaches:?}");
    }
}

/// Whether edges lead from a step back to it.
fn leads_back(scenario: &Scenario, step: &str) -> bool {
    let mut reached: Vec<&str> = vec![step];
    let mut next = 0;
    let edges = scenario.segment["edges"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    while let Some(from) = reached.get(next).copied() {
        for to in edges
            .iter()
            .filter(|edge| edge["from"] == from)
            .filter_map(|edge| edge["to"].as_str())
        {
            if to == step {
                return true;
            }
            if !reached.contains(&to) {
                reached.push(to);
            }
        }
        next += 1;
    }
    false
}

/// X-05 counted: outside loops a step starts at most once, and activations count from 1.
//
#[test]
fn activations_count_from_one_and_happen_once_outside_loops() {
    for seed in 30_000..32_000 {
        let scenario = random_scenario(seed);
        let simulated = simulate(&scenario).expect("random scenarios can be simulated");
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for event in simulated
            .events
            .iter()
            .map(Seen::from)
            .filter(|event| event.kind == "step.started")
        {
            let count = counts.entry(event.step.unwrap_or_default()).or_default();
            *count += 1;
            assert_eq!(event.payload["activation"], json!(*count), "seed {seed}");
        }
        for step in steps(&scenario)
            .iter()
            .filter_map(|step| step["step_id"].as_str())
        {
            let started = counts.get(step).copied().unwrap_or(0);
            assert!(
                started <= 1 || leads_back(&scenario, step),
                "seed {seed}: `{step}` started {started} times"
            );
        }
    }
}
