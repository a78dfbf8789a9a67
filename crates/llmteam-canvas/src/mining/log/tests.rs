//! What of a run is in its case, record by record.

use std::sync::Arc;

use llmteam_orchestration::roles::mining::{
    AttributeValue, CaseLog, EventLog, Lifecycle, Outcome, get_suspended_time,
};
use llmteam_security::Timestamp;
use llmteam_security::id::TenantId;
use llmteam_workflow::persistence::{Journal, JournalEntry, MemoryJournal, NewRun, Owner};
use serde_json::{Value, json};

use super::{DEFINITION, RunProjection, RunSelection, SEGMENT, read_runs};
use crate::canvas::catalog::StepCatalog;
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::handler::StepError;
use crate::canvas::machine::{
    AnswerFact, Ending, Fact, JournalRecord, Outbox, RunIdentity, RunMachine,
};
use crate::canvas::plan::{ExecutionPlan, StepIndex};

/// Folds facts into a machine and keeps the records.
struct Recorded {
    machine: RunMachine,
    identity: Arc<RunIdentity>,
    records: Vec<JournalRecord>,
}

impl Recorded {
    fn new(steps: Value, edges: Value) -> Self {
        let mut segment = json!({"segment_id": "s", "name": "S"});
        segment["steps"] = steps;
        segment["edges"] = edges;
        let segment = SegmentDefinition::from_value(segment).unwrap();
        let catalog = StepCatalog::with_builtins();
        let plan = ExecutionPlan::compile(&segment, |id| catalog.get(id)).unwrap();
        let identity = Arc::new(RunIdentity {
            tenant_id: "t".parse().unwrap(),
            instance_id: "i".parse().unwrap(),
            run_id: "r".parse().unwrap(),
            segment_id: "s".parse().unwrap(),
        });
        let mut recorded = Self {
            machine: RunMachine::new(Arc::new(plan), Arc::clone(&identity)),
            identity,
            records: Vec::new(),
        };
        recorded.fold(
            0,
            Fact::Started {
                input: Arc::new(json!({"secret": "s3cr3t"})),
                settings: Arc::default(),
                no_handler: None,
            },
        );
        recorded
    }

    fn fold(&mut self, second: i64, fact: Fact) {
        let record = self
            .machine
            .record(fact, Timestamp::from_micros(second * 1_000_000));
        self.machine.apply(&record, &mut Outbox::default()).unwrap();
        self.records.push(record);
    }

    fn ended(&mut self, second: i64, step: usize, result: Ending, answer: Option<&str>) {
        let answer = answer.map(|by| {
            Box::new(AnswerFact {
                request_id: "req_1".to_owned(),
                completed_by: Some(by.to_owned()),
                duration_ms: 1,
            })
        });
        self.fold(
            second,
            Fact::StepEnded {
                step: StepIndex::new(step),
                result,
                state: Default::default(),
                answer,
            },
        );
    }

    fn projection(&self) -> RunProjection {
        let mut projection =
            RunProjection::new(Arc::clone(self.machine.plan()), Arc::clone(&self.identity));
        for record in &self.records {
            projection.apply(record).unwrap();
        }
        projection
    }

    fn log(&self) -> EventLog {
        let mut log = CaseLog::default();
        log.add(&self.projection().finish().case()).unwrap();
        log.finish().unwrap()
    }

    /// Lifecycle, step, second and attempt of each event.
    fn told(&self) -> Vec<(Lifecycle, String, i64, u32)> {
        let events = self.projection().finish();
        let case = events.case();
        let each = case.events.iter().map(|it| {
            let second = it.timestamp.as_micros() / 1_000_000;
            (
                it.lifecycle,
                it.activity.to_owned(),
                second,
                it.attempt.map_or(0, Into::into),
            )
        });
        each.collect()
    }
}

fn done(value: Value) -> Ending {
    Ending::Ok(Arc::new(value))
}

fn failed(recoverable: bool) -> Ending {
    let error = StepError::new("Boom", "s3cr3t");
    Ending::Err(Box::new(if recoverable { error } else { error.fatal() }))
}

use Lifecycle::{Complete, Resume, Start, Suspend};

// covers: MC-01, MC-02
#[test]
fn a_retry_is_a_wait_within_one_instance() {
    let mut run = Recorded::new(json!([{"step_id": "a", "type": "transform"}]), json!([]));
    run.ended(2, 0, failed(true), None);
    run.fold(
        3,
        Fact::RetryDue {
            step: StepIndex::new(0),
        },
    );
    run.ended(5, 0, done(json!(1)), None);
    let a = || "a".to_owned();
    let expected = [
        (Start, a(), 0, 1),
        (Suspend, a(), 2, 1),
        (Resume, a(), 3, 2),
        (Complete, a(), 5, 2),
    ];
    assert_eq!(run.told(), expected);
    let log = run.log();
    assert_eq!((log.instance_count(), log.aside_count()), (1, 0));
    let it = log.instance(0);
    assert_eq!(
        (it.outcome, it.attempt.map(Into::into)),
        (Some(Outcome::Completed), Some(2_u32))
    );
    assert_eq!(
        (log.service_micros(0), get_suspended_time(&log)["a"].sum),
        (5_000_000, 1.0)
    );
}

// covers: MC-02, MC-04
#[test]
fn a_person_is_waited_for_and_named() {
    let steps = json!([
        {"step_id": "w", "type": "llm_agent", "config": {"llm_ref": "main"}},
        {"step_id": "ask", "type": "human_task", "config": {"task_type": "approval"}},
        {"step_id": "call", "type": "http_action", "config": {"client_ref": "cms", "path": "/"}},
    ]);
    let edges =
        json!([{"from": "w", "to": "ask"}, {"from": "ask", "from_port": "approved", "to": "call"}]);
    let mut run = Recorded::new(steps, edges);
    run.ended(1, 0, done(json!("text")), None);
    run.fold(
        2,
        Fact::Asked {
            step: StepIndex::new(1),
            request_id: "req_1".to_owned(),
            task_type: "approval".to_owned(),
            assignee: Some("ann".to_owned()),
            state: Default::default(),
        },
    );
    run.ended(
        9,
        1,
        done(json!({"approved": {"data": "s3cr3t"}})),
        Some("ann"),
    );
    run.ended(10, 2, done(json!({"response": {}, "status": 200})), None);
    let log = run.log();
    let who: Vec<_> = log
        .instances(0)
        .map(|it| it.resource.unwrap_or_default().to_owned())
        .collect();
    assert_eq!(who, ["llm.main", "ann", "http.cms"]);
    assert_eq!(get_suspended_time(&log)["ask"].sum, 7.0);
    assert_eq!(log.case_outcome(0), Some(Outcome::Completed));
}

// covers: MC-03
#[test]
fn what_fails_is_done_and_what_is_cut_short_is_kept_aside() {
    let steps = json!([
        {"step_id": "a", "type": "parallel_split"}, {"step_id": "b", "type": "transform"},
        {"step_id": "c", "type": "transform"}, {"step_id": "d", "type": "transform"},
    ]);
    let edges = json!([
        {"from": "a", "from_port": "branch_1", "to": "b"}, {"from": "a", "from_port": "branch_2", "to": "c"},
        {"from": "c", "to": "d"},
    ]);
    let mut segment = Recorded::new(steps, edges);
    segment.ended(1, 0, done(json!({"branch_1": 1, "branch_2": 1})), None);
    segment.ended(2, 1, failed(false), None);
    let log = segment.log();
    let told: Vec<_> = log
        .instances(0)
        .map(|it| (it.activity.to_owned(), it.outcome))
        .collect();
    let expected = [
        ("a".to_owned(), Some(Outcome::Completed)),
        ("b".to_owned(), Some(Outcome::Failed)),
    ];
    assert_eq!(told, expected);
    assert_eq!(log.case_outcome(0), Some(Outcome::Failed));

    let mut cut = Recorded::new(json!([{"step_id": "a", "type": "transform"}]), json!([]));
    assert_eq!(cut.log().case_outcome(0), None);
    cut.fold(
        1,
        Fact::Cancelled {
            reason: "s3cr3t".to_owned(),
        },
    );
    let log = cut.log();
    assert_eq!((log.instance_count(), log.aside_count()), (0, 1));
    assert_eq!(log.case_outcome(0), Some(Outcome::Cancelled));
}

// covers: MC-01
#[test]
fn each_pass_of_a_loop_is_an_instance() {
    let steps = json!([{"step_id": "a", "type": "transform"}, {"step_id": "b", "type": "condition", "config": {"expression": "true"}}]);
    let edges = json!([{"from": "a", "to": "b"}, {"from": "b", "from_port": "true", "to": "a"}]);
    let mut run = Recorded::new(steps, edges);
    for (second, port) in [(0, "true"), (2, "false")] {
        run.ended(second + 1, 0, done(json!(1)), None);
        run.ended(second + 2, 1, done(json!({port: 1})), None);
    }
    let log = run.log();
    let told: Vec<_> = log.instances(0).map(|it| it.activity.to_owned()).collect();
    assert_eq!(told, ["a", "b", "a", "b"]);
    assert_eq!(
        log.row_attribute(2, "llmteam:activation"),
        Some(AttributeValue::Int(2))
    );
}

// covers: MC-05
#[test]
fn a_case_says_what_it_is_a_run_of_and_nothing_that_it_worked_on() {
    let mut run = Recorded::new(json!([{"step_id": "a", "type": "transform"}]), json!([]));
    run.ended(1, 0, failed(false), None);
    let log = run.log();
    let attribute = |key: &str| {
        let mut all = log.case_attributes(0);
        all.find(|it| it.key == key)
            .map(|it| format!("{:?}", it.value))
            .unwrap_or_default()
    };
    assert_eq!(attribute(SEGMENT), r#"Text("s")"#);
    assert_eq!(
        attribute(DEFINITION),
        format!("Text({:?})", run.machine.plan().digest())
    );
    assert_eq!(attribute("tenant"), r#"Text("t")"#);
    assert!(!format!("{log:?}").contains("s3cr3t"));
}

/// A tenant's runs `r0`, `r1`… of a segment with one step, all begun.
async fn begun(journal: &MemoryJournal, tenant: &TenantId, count: usize, definition: Option<&str>) {
    let segment =
        json!({"segment_id": "s", "name": "S", "steps": [{"step_id": "a", "type": "transform"}]});
    let recorded = Recorded::new(segment["steps"].clone(), json!([]));
    let plan = recorded.machine.plan();
    let body = plan.definition().to_value().unwrap().to_string();
    journal
        .put_definition(tenant, plan.digest(), &body)
        .await
        .unwrap();
    for at in 0..count {
        let run = NewRun {
            tenant: tenant.clone(),
            instance: "i".parse().unwrap(),
            run: format!("r{at}").parse().unwrap(),
            segment: "s".parse().unwrap(),
            definition: definition.unwrap_or(plan.digest()).to_owned(),
            started_at: Timestamp::from_micros(at as i64),
            parent: None,
            audit: Vec::new(),
        };
        let first = JournalEntry {
            index: 0,
            kind: "started".into(),
            step: None,
            time: run.started_at,
            body: serde_json::to_vec(&recorded.records[0]).unwrap(),
        };
        journal
            .create(run, &Owner::current(), vec![first])
            .await
            .unwrap();
    }
}

// covers: MC-06
#[tokio::test]
async fn all_pages_are_read_oldest_first_and_nobody_elses() {
    let journal = MemoryJournal::default();
    let [ours, theirs]: [TenantId; 2] = ["t", "u"].map(|it| it.parse().unwrap());
    begun(&journal, &ours, 600, None).await;
    begun(&journal, &theirs, 3, Some("gone")).await;
    let catalog = StepCatalog::with_builtins();
    let read = async |tenant: &TenantId, selection: &RunSelection| {
        read_runs(&journal, tenant, selection, &catalog)
            .await
            .unwrap()
    };
    let runs = read(&ours, &RunSelection::default()).await;
    let names: Vec<&str> = (0..runs.log.case_count())
        .map(|it| runs.log.case_name(it))
        .collect();
    let expected: Vec<String> = (0..600).map(|it| format!("r{it}")).collect();
    assert_eq!(names, expected);
    assert_eq!((runs.segments(), runs.skipped.len()), (vec!["s"], 0));
    let late = RunSelection {
        since: Some(Timestamp::from_micros(590)),
        until: Some(Timestamp::from_micros(595)),
        ..RunSelection::default()
    };
    assert_eq!(read(&ours, &late).await.log.case_count(), 5);

    let unreadable = read(&theirs, &RunSelection::default()).await;
    assert_eq!(unreadable.log.case_count(), 0);
    assert_eq!(unreadable.skipped.len(), 3);
    assert!(
        unreadable.skipped[0]
            .reason
            .contains("`gone` is not stored")
    );
}
