//! From the records of one run to the events of one case.
//!
//! Invariant: events stand in the order of the records; their times are those of the records. The records are folded as the
//! engine folds them, so log and engine cannot disagree. This file does not know where records are kept.

use std::num::NonZeroU32;
use std::sync::Arc;

use llmteam_orchestration::roles::mining::{AttributeValue, Case, CaseEvent, Lifecycle, Outcome};
use llmteam_security::Timestamp;

use crate::canvas::machine::{
    Command, End, Happening, JournalRecord, Outbox, ReplayError, RunEvent, RunIdentity, RunMachine,
    RunPhase,
};
use crate::canvas::plan::{ExecutionPlan, StepIndex};

/// Folds the records of one run.
#[derive(Debug)]
pub struct RunProjection {
    machine: RunMachine,
    out: Outbox,
    /// Who does the work of each step, where its configuration says so.
    workers: Vec<Option<String>>,
    /// Who answered each step last.
    answered: Vec<Option<String>>,
    events: Vec<Event>,
}

/// An event of a run; texts are shared with the plan.
#[derive(Debug)]
struct Event {
    time: Timestamp,
    step: StepIndex,
    resource: Option<String>,
    lifecycle: Lifecycle,
    outcome: Option<Outcome>,
    activation: u32,
    instance: String,
    attempt: Option<NonZeroU32>,
    /// The Worktrail event that says the same.
    id: Option<String>,
}

/// One run as a case.
#[derive(Debug)]
pub struct RunEvents {
    plan: Arc<ExecutionPlan>,
    run: String,
    instance: String,
    segment: String,
    tenant: String,
    outcome: Option<Outcome>,
    skipped: i64,
    events: Vec<Event>,
}

impl RunProjection {
    /// A run of which nothing is folded yet.
    pub fn new(plan: Arc<ExecutionPlan>, identity: Arc<RunIdentity>) -> Self {
        let workers = plan.steps().iter().map(|step| {
            let spec = step.spec();
            let named = |key: &str| spec.config.get(key).and_then(serde_json::Value::as_str);
            match spec.step_type.as_str() {
                "llm_agent" => named("llm_ref")
                    .or_else(|| named("model"))
                    .map(|it| format!("llm.{it}")),
                "http_action" => named("client_ref").map(|it| format!("http.{it}")),
                _ => None,
            }
        });
        Self {
            workers: workers.collect(),
            answered: vec![None; plan.steps().len()],
            machine: RunMachine::new(plan, identity),
            out: Outbox {
                wants_events: true,
                ..Outbox::default()
            },
            events: Vec::new(),
        }
    }

    /// Folds the next record.
    ///
    /// # Errors
    ///
    /// The record does not follow from those before it.
    pub fn apply(&mut self, record: &JournalRecord) -> Result<(), ReplayError> {
        self.machine.apply(record, &mut self.out)?;
        for event in std::mem::take(&mut self.out.events) {
            self.see(&event);
        }
        for command in std::mem::take(&mut self.out.commands) {
            // A first attempt has its event; a later one is told by the command alone.
            if let Command::Start(step) = command
                && self.machine.step_attempt(step).1 > 1
            {
                self.push(step, record.time, Lifecycle::Resume, None, None);
            }
        }
        Ok(())
    }

    /// The case.
    pub fn finish(self) -> RunEvents {
        let identity = self.machine.identity();
        let outcome = match self.machine.phase() {
            RunPhase::Ended(End::Completed { .. }) => Some(Outcome::Completed),
            RunPhase::Ended(End::Failed { .. } | End::TimedOut { .. }) => Some(Outcome::Failed),
            RunPhase::Ended(End::Cancelled { .. }) => Some(Outcome::Cancelled),
            _ => None,
        };
        RunEvents {
            plan: Arc::clone(self.machine.plan()),
            run: identity.run_id.to_string(),
            instance: identity.instance_id.to_string(),
            segment: identity.segment_id.to_string(),
            tenant: identity.tenant_id.to_string(),
            outcome,
            skipped: i64::from(self.machine.counts().skipped),
            events: self.events,
        }
    }

    fn see(&mut self, event: &RunEvent) {
        let Some(step) = event.step else {
            return;
        };
        let (lifecycle, outcome) = match &event.what {
            Happening::StepStarted { .. } => {
                self.answered[step.at()] = None;
                (Lifecycle::Start, None)
            }
            Happening::StepCompleted { .. } => (Lifecycle::Complete, Some(Outcome::Completed)),
            Happening::StepFailed { forced: false, .. } => {
                (Lifecycle::Complete, Some(Outcome::Failed))
            }
            Happening::StepRetrying { .. } => (Lifecycle::Suspend, Some(Outcome::Failed)),
            Happening::HumanTaskCreated { .. } => (Lifecycle::Suspend, None),
            Happening::HumanTaskCompleted { completed_by, .. } => {
                self.answered[step.at()] = Some(completed_by.clone());
                (Lifecycle::Resume, None)
            }
            _ => return,
        };
        self.push(step, event.time, lifecycle, outcome, Some(event.number));
    }

    fn push(
        &mut self,
        step: StepIndex,
        time: Timestamp,
        lifecycle: Lifecycle,
        outcome: Option<Outcome>,
        number: Option<u64>,
    ) {
        let (activation, attempt) = self.machine.step_attempt(step);
        let answered = self.answered[step.at()].as_ref();
        let run = &self.machine.identity().run_id;
        self.events.push(Event {
            time,
            step,
            resource: answered.or(self.workers[step.at()].as_ref()).cloned(),
            lifecycle,
            outcome,
            activation,
            instance: format!("{}:{activation}", self.machine.step_id(step)),
            attempt: NonZeroU32::new(attempt),
            id: number.map(|it| format!("{run}:{it}")),
        });
    }
}

impl RunEvents {
    /// The run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// How it ended; none while it goes on.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The run as a case of a log.
    pub fn case(&self) -> Case<'_> {
        use AttributeValue::{Id, Int, Text};
        Case {
            name: &self.run,
            outcome: self.outcome,
            attributes: vec![
                (super::SEGMENT, Text(&self.segment)),
                (super::DEFINITION, Text(self.plan.digest())),
                ("tenant", Text(&self.tenant)),
                ("llmteam:instance", Text(&self.instance)),
                ("llmteam:skipped", Int(self.skipped)),
            ],
            events: self
                .events
                .iter()
                .map(|it| {
                    let spec = self.plan.steps()[it.step.at()].spec();
                    let mut attributes = vec![
                        ("concept:instance", Text(&it.instance)),
                        ("llmteam:activation", Int(it.activation.into())),
                        ("llmteam:step_type", Text(&spec.step_type)),
                    ];
                    attributes.extend(it.id.as_deref().map(|id| ("identity:id", Id(id))));
                    CaseEvent {
                        timestamp: it.time,
                        activity: spec.step_id.as_str(),
                        resource: it.resource.as_deref(),
                        lifecycle: it.lifecycle,
                        outcome: it.outcome,
                        attempt: it.attempt,
                        attributes,
                    }
                })
                .collect(),
        }
    }
}
