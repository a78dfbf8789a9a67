//! The run machine: a pure fold over the journal of one run.
//!
//! `apply` changes the state by one record and says what to do next; the same records always give
//! the same state, events and commands. One idea per file: how edges resolve and steps settle
//! (`settle`), how steps start and what they receive (`start`), loops (`cycle`), failures
//! (`failure`), pause and resume (`pause`), the end of a run (`outcome`).
//!
//! The machine has no I/O, no clock and no randomness: times come with the records.

mod cycle;
mod error;
mod event;
mod failure;
mod fold;
mod outcome;
mod pause;
mod record;
mod settle;
mod start;
mod state;
mod step_set;
#[cfg(test)]
mod tests;
mod view;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use llmteam_security::clock::Timestamp;
use llmteam_security::id::{InstanceId, RunId, SegmentId, StepId, TenantId};
use serde_json::{Value, json};

pub use self::error::ReplayError;
pub use self::event::{Happening, RunEvent, SkipReason};
pub use self::outcome::Counts;
pub use self::record::{AnswerFact, Ending, Fact, JournalRecord, RECORD_VERSION, RunSettings};
use self::start::ReadySteps;
use self::state::{EdgeState, LoopState, StepState, Times, micros_between};
pub use self::state::{End, Output, RunPhase, StepStatus};
use self::step_set::StepSet;
use crate::canvas::plan::{ExecutionPlan, LoopIndex, StepIndex};
use crate::runtime::{LocalState, StepInput};

/// Who a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The workflow instance.
    pub instance_id: InstanceId,
    /// The run itself.
    pub run_id: RunId,
    /// The segment that runs.
    pub segment_id: SegmentId,
}

/// What a runner is to do after a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run the present attempt of a step.
    Start(StepIndex),
    /// Begin the next attempt of a step at this time.
    Retry(StepIndex, Timestamp),
    /// Stop the running attempt of a step.
    Cancel(StepIndex),
    /// Withdraw the open request of a step.
    Withdraw(StepIndex, String),
    /// Nothing runs any more: save the snapshot that was asked for.
    Snapshot,
    /// The run is over.
    Finish,
}

/// Where a fold puts what it makes. Reuse one for all records of a run.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What to do, in order.
    pub commands: Vec<Command>,
    /// What happened, in order; empty unless `wants_events`.
    pub events: Vec<RunEvent>,
    /// Whether anybody looks at events. They are numbered either way.
    pub wants_events: bool,
}

/// The state of one run as its journal tells it.
#[derive(Debug)]
pub struct RunMachine {
    plan: Arc<ExecutionPlan>,
    run: Run,
}

/// Everything that changes.
#[derive(Debug)]
struct Run {
    identity: Arc<RunIdentity>,
    phase: RunPhase,
    /// Both come with the first record.
    settings: Option<Arc<RunSettings>>,
    input: Option<Arc<Value>>,
    /// The variable `run` of expressions, built when the first one asks.
    variable: OnceLock<Value>,
    steps: Vec<StepState>,
    edges: Vec<EdgeState>,
    loops: Vec<LoopState>,
    ready: ReadySteps,
    /// Steps whose inputs may be decided, lowest first.
    undecided: StepSet,
    /// Loops whose iteration ended, inner ones first.
    ended_loops: BinaryHeap<Reverse<LoopIndex>>,
    slots_used: u32,
    suspended: u32,
    resumed_from: Option<String>,
    next_event: u64,
    counts: Counts,
    times: Times,
}

/// One record being folded: the plan to read, the run to change, the box to fill.
struct Fold<'a> {
    plan: &'a ExecutionPlan,
    run: &'a mut Run,
    out: &'a mut Outbox,
}

impl RunMachine {
    /// A run of which nothing happened yet.
    pub fn new(plan: Arc<ExecutionPlan>, identity: Arc<RunIdentity>) -> Self {
        let epoch = Timestamp::from_micros(0);
        let run = Run {
            identity,
            phase: RunPhase::New,
            settings: None,
            input: None,
            variable: OnceLock::new(),
            steps: Vec::new(),
            edges: Vec::new(),
            loops: Vec::new(),
            ready: ReadySteps::default(),
            undecided: StepSet::default(),
            ended_loops: BinaryHeap::new(),
            slots_used: 0,
            suspended: 0,
            resumed_from: None,
            next_event: 1,
            counts: Counts::default(),
            times: Times {
                started: epoch,
                last: epoch,
                ended: None,
                paused_at: None,
                paused: Duration::ZERO,
                active_us: 0,
                active_from: epoch,
            },
        };
        Self { plan, run }
    }

    /// Folds one record.
    ///
    /// # Errors
    /// The record does not follow from those before it; the state is unchanged.
    pub fn apply(&mut self, record: &JournalRecord, out: &mut Outbox) -> Result<(), ReplayError> {
        self.check(record)?;
        let run = &mut self.run;
        run.times.last = record.time;
        run.times.active_us = record.active_us;
        run.times.active_from = record.time;
        Fold {
            plan: &self.plan,
            run,
            out,
        }
        .fact(&record.fact);
        Ok(())
    }

    /// Wraps a fact with the time, event number and running time that the next record must have.
    pub fn record(&self, fact: Fact, now: Timestamp) -> JournalRecord {
        let time = now.max(self.run.times.last);
        JournalRecord {
            time,
            first_event: self.run.next_event,
            active_us: self.active_us_at(time),
            fact,
        }
    }

    /// The commands that a runner which has just folded the journal must carry out: open attempts run
    /// again, retry delays go on, a drained run is snapshot.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = self
            .run
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match step.status {
                StepStatus::Running => Some(Command::Start(StepIndex::new(at))),
                StepStatus::Retrying(due) => Some(Command::Retry(StepIndex::new(at), due)),
                _ => None,
            })
            .collect();
        match self.run.phase {
            RunPhase::Draining if self.run.slots_used == 0 => commands.push(Command::Snapshot),
            RunPhase::Ended(_) => commands.push(Command::Finish),
            _ => {}
        }
        commands
    }

    /// Restarts the clock of running time: the time between the last record and `now` does not count,
    /// because nothing ran.
    pub fn recovered_at(&mut self, now: Timestamp) {
        self.run.times.active_from = now.max(self.run.times.last);
    }

    /// The plan that is run.
    pub fn plan(&self) -> &Arc<ExecutionPlan> {
        &self.plan
    }

    /// Who the run is.
    pub fn identity(&self) -> &Arc<RunIdentity> {
        &self.run.identity
    }

    /// What the run as a whole is doing.
    pub fn phase(&self) -> &RunPhase {
        &self.run.phase
    }

    /// The settings in force.
    pub fn settings(&self) -> &RunSettings {
        self.run.settings()
    }

    /// The run input, once the run has begun.
    pub fn input(&self) -> Option<&Arc<Value>> {
        self.run.input.as_ref()
    }

    /// Number of the next event.
    pub fn next_event(&self) -> u64 {
        self.run.next_event
    }

    /// Where a step is.
    pub fn step_status(&self, step: StepIndex) -> StepStatus {
        self.run
            .steps
            .get(step.at())
            .map_or(StepStatus::Waiting, |it| it.status)
    }

    /// Activation and attempt of a step, both from 1 once it started.
    pub fn step_attempt(&self, step: StepIndex) -> (u32, u32) {
        self.run
            .steps
            .get(step.at())
            .map_or((0, 0), |it| (it.activation, it.attempt))
    }

    /// What the present activation of a step received.
    pub fn step_input(&self, step: StepIndex) -> Option<&StepInput> {
        self.run.steps.get(step.at())?.input.as_ref()
    }

    /// Step-local state as the last ended attempt left it.
    pub fn step_state(&self, step: StepIndex) -> LocalState {
        self.run
            .steps
            .get(step.at())
            .map(StepState::local)
            .unwrap_or_default()
    }

    /// Whether a call that must not be repeated was announced and has no result.
    pub fn has_open_intent(&self, step: StepIndex) -> bool {
        self.run
            .steps
            .get(step.at())
            .and_then(StepState::seldom)
            .is_some_and(|it| it.intent.is_some())
    }

    /// The suspended step that a request belongs to.
    pub fn step_of_request(&self, request_id: &str) -> Option<StepIndex> {
        self.run
            .steps
            .iter()
            .position(|it| {
                it.status == StepStatus::Suspended && it.request_id() == Some(request_id)
            })
            .map(StepIndex::new)
    }

    /// Requests of all suspended steps, in declaration order.
    pub fn open_requests(&self) -> Vec<String> {
        let open = self
            .run
            .steps
            .iter()
            .filter(|it| it.status == StepStatus::Suspended);
        open.filter_map(|it| it.request_id().map(str::to_owned))
            .collect()
    }

    /// How many steps wait for a person.
    pub fn suspended(&self) -> u32 {
        self.run.suspended
    }

    /// Steps in a retry delay, in declaration order, and when it is over.
    pub fn retries(&self) -> impl Iterator<Item = (StepIndex, Timestamp)> + '_ {
        self.run
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match step.status {
                StepStatus::Retrying(due) => Some((StepIndex::new(at), due)),
                _ => None,
            })
    }

    /// The snapshot that the run was last resumed from.
    pub fn resumed_from(&self) -> Option<&str> {
        self.run.resumed_from.as_deref()
    }

    /// Whether nothing runs and at least one step waits for a person.
    pub fn is_waiting(&self) -> bool {
        self.run.phase.is_running() && self.run.slots_used == 0 && self.run.suspended > 0
    }

    /// How long at least one step has been running.
    pub fn active_at(&self, now: Timestamp) -> Duration {
        Duration::from_micros(self.active_us_at(now))
    }

    fn active_us_at(&self, now: Timestamp) -> u64 {
        let times = &self.run.times;
        if self.run.slots_used > 0 {
            times
                .active_us
                .saturating_add(micros_between(times.active_from, now))
        } else {
            times.active_us
        }
    }

    /// When the segment's time is used up, if something runs and there is a limit.
    pub fn time_limit(&self) -> Option<Timestamp> {
        if self.run.slots_used == 0 || matches!(self.run.phase, RunPhase::Ended(_)) {
            return None;
        }
        let limit = self
            .run
            .settings()
            .timeout
            .or(self.plan.timeout)
            .filter(|it| !it.is_zero())?;
        Some(
            self.run.times.active_from.saturating_add(
                limit.saturating_sub(Duration::from_micros(self.run.times.active_us)),
            ),
        )
    }
}

impl Run {
    fn settings(&self) -> &RunSettings {
        static UNSET: RunSettings = RunSettings::DEFAULT;
        self.settings.as_deref().unwrap_or(&UNSET)
    }

    fn input(&self) -> Arc<Value> {
        self.input.clone().unwrap_or_default()
    }

    /// The variable `run` of expressions.
    fn variable(&self) -> &Value {
        self.variable.get_or_init(|| {
            json!({
                "input": self.input,
                "run_id": self.identity.run_id.as_str(),
                "instance_id": self.identity.instance_id.as_str(),
                "tenant_id": self.identity.tenant_id.as_str(),
                "segment_id": self.identity.segment_id.as_str(),
            })
        })
    }
}

impl RunMachine {
    /// The variable `run` of step expressions.
    pub fn run_variable(&self) -> &Value {
        self.run.variable()
    }

    /// The id of a step.
    pub fn step_id(&self, step: StepIndex) -> &StepId {
        &self.plan.step(step).spec.step_id
    }
}
