//! The machine by itself: a record at a time, no runner.

use std::sync::Arc;

use llmteam_security::clock::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::canvas::catalog::StepCatalog;
use crate::canvas::definition::{EdgeDefinition, SegmentDefinition, StepDefinition};
use crate::canvas::plan::ExecutionPlan;

fn plan(segment: &SegmentDefinition) -> Arc<ExecutionPlan> {
    let catalog = StepCatalog::with_builtins();
    Arc::new(ExecutionPlan::compile(segment, |id| catalog.get(id)).unwrap())
}

fn machine(segment: &SegmentDefinition) -> RunMachine {
    let identity = RunIdentity {
        tenant_id: "t".parse().unwrap(),
        instance_id: "i".parse().unwrap(),
        run_id: "r".parse().unwrap(),
        segment_id: "s".parse().unwrap(),
    };
    RunMachine::new(plan(segment), Arc::new(identity))
}

fn chain(steps: &[&str]) -> SegmentDefinition {
    let mut segment = SegmentDefinition::new("s", "S");
    segment.steps = steps
        .iter()
        .map(|id| StepDefinition::new(*id, "transform"))
        .collect();
    segment.edges = steps
        .windows(2)
        .map(|pair| EdgeDefinition::new(pair[0], pair[1]))
        .collect();
    segment
}

fn fold(machine: &mut RunMachine, out: &mut Outbox, millis: i64, fact: Fact) {
    let record = machine.record(fact, Timestamp::from_micros(millis * 1_000));
    machine.apply(&record, out).unwrap();
}

fn started() -> Fact {
    Fact::Started {
        input: Arc::new(json!({"k": 1})),
        settings: Arc::default(),
        no_handler: None,
    }
}

fn done(step: usize, value: Value) -> Fact {
    Fact::StepEnded {
        step: StepIndex::new(step),
        result: Ending::Ok(Arc::new(value)),
        state: Default::default(),
        answer: None,
    }
}

// covers: X-08
#[test]
fn a_result_and_the_start_of_its_successor_are_one_record() {
    let mut machine = machine(&chain(&["a", "b"]));
    let mut out = Outbox::default();
    fold(&mut machine, &mut out, 0, started());
    out.commands.clear();
    fold(&mut machine, &mut out, 5, done(0, json!(7)));
    assert_eq!(out.commands, [Command::Start(StepIndex::new(1))]);
    assert_eq!(
        machine.step_input(StepIndex::new(1)).unwrap().port("input"),
        Some(&json!(7))
    );
}

// covers: X-67
#[test]
fn running_time_stands_still_while_the_process_is_down() {
    let mut segment = chain(&["a", "b"]);
    segment.params.timeout_seconds = 1.0;
    let mut machine = machine(&segment);
    let mut out = Outbox::default();
    fold(&mut machine, &mut out, 0, started());
    fold(&mut machine, &mut out, 400, done(0, json!(1)));
    assert_eq!(
        machine.time_limit(),
        Some(Timestamp::from_micros(1_000_000))
    );
    machine.recovered_at(Timestamp::from_micros(60_000_000));
    assert_eq!(
        machine.time_limit(),
        Some(Timestamp::from_micros(60_600_000))
    );
}

#[test]
fn a_record_that_cannot_follow_is_refused_and_changes_nothing() {
    let mut machine = machine(&chain(&["a", "b"]));
    let mut out = Outbox::default();
    let early = machine.record(done(0, json!(1)), Timestamp::from_micros(0));
    assert!(matches!(
        machine.apply(&early, &mut out),
        Err(ReplayError::WrongPhase { .. })
    ));
    fold(&mut machine, &mut out, 0, started());
    let wrong_step = machine.record(done(1, json!(1)), Timestamp::from_micros(0));
    assert!(matches!(
        machine.apply(&wrong_step, &mut out),
        Err(ReplayError::WrongStep { .. })
    ));
    let no_step = machine.record(done(9, json!(1)), Timestamp::from_micros(0));
    assert!(matches!(
        machine.apply(&no_step, &mut out),
        Err(ReplayError::UnknownStep { .. })
    ));
    let mut renumbered = machine.record(done(0, json!(1)), Timestamp::from_micros(0));
    renumbered.first_event += 1;
    assert!(matches!(
        machine.apply(&renumbered, &mut out),
        Err(ReplayError::EventNumber { .. })
    ));
    assert_eq!(machine.step_status(StepIndex::new(0)), StepStatus::Running);
}

// covers: X-94
#[test]
fn record_times_never_go_back() {
    let mut machine = machine(&chain(&["a", "b"]));
    let mut out = Outbox::default();
    fold(&mut machine, &mut out, 100, started());
    let record = machine.record(done(0, json!(1)), Timestamp::from_micros(0));
    assert_eq!(record.time, Timestamp::from_micros(100_000));
}

#[test]
fn a_folded_journal_asks_for_what_was_open() {
    let mut machine = machine(&chain(&["a", "b"]));
    let mut out = Outbox::default();
    fold(&mut machine, &mut out, 0, started());
    assert_eq!(machine.commands(), [Command::Start(StepIndex::new(0))]);
    fold(&mut machine, &mut out, 1, done(0, json!(1)));
    assert_eq!(machine.commands(), [Command::Start(StepIndex::new(1))]);
    fold(&mut machine, &mut out, 2, done(1, json!(2)));
    assert_eq!(machine.commands(), [Command::Finish]);
    assert!(matches!(
        machine.phase(),
        RunPhase::Ended(End::Completed { .. })
    ));
}
