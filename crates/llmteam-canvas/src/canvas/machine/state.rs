//! The state of a run between two records.

use std::sync::Arc;
use std::time::Duration;

use llmteam_security::clock::Timestamp;
use serde_json::{Map, Value};

use super::event::SkipReason;
use crate::canvas::handler::StepError;
use crate::canvas::plan::{PlanLoop, StepIndex};
use crate::runtime::{LocalState, PortName, StepInput};

/// Where a step is in the present iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// Its inputs are not decided.
    Waiting,
    /// It may start.
    Ready,
    /// An attempt runs.
    Running,
    /// An attempt failed; the next begins at this time. It keeps its slot.
    Retrying(Timestamp),
    /// As `Retrying`, but the run is or was paused: the next attempt waits for a slot, not for time.
    RetryReady,
    /// It waits for a person and holds no slot.
    Suspended,
    /// It has a result.
    Completed,
    /// It failed and the failure was handled or absorbed.
    Failed,
    /// It will not run in this iteration.
    Dead,
}

impl StepStatus {
    /// Whether nothing more happens to the step in this iteration.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Dead)
    }

    /// Whether an activation was started and not closed.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Running | Self::Retrying(_) | Self::RetryReady | Self::Suspended
        )
    }

    /// Whether the step takes one of the slots of X-42.
    pub fn holds_slot(self) -> bool {
        matches!(self, Self::Running | Self::Retrying(_))
    }
}

/// What is known of one step.
#[derive(Debug)]
pub(super) struct StepState {
    pub(super) status: StepStatus,
    /// Activations started so far.
    pub(super) activation: u32,
    /// Attempts of the present activation, the running one included.
    pub(super) attempt: u32,
    /// Forward edges into the step that are not resolved.
    pub(super) unresolved: u32,
    /// Forward edges into the step that carried.
    pub(super) carried: u32,
    /// Whether one of its edges carried in its last activation.
    pub(super) delivered: bool,
    /// Whether it ever completed.
    pub(super) completed: bool,
    /// Whether a `step.skipped` was emitted.
    pub(super) skipped: bool,
    /// Why it is dead, if it is.
    pub(super) dead: Option<SkipReason>,
    pub(super) input: Option<StepInput>,
    pub(super) output: Option<Output>,
    pub(super) started_at: Timestamp,
    /// Number of the `step.started` of the present activation.
    pub(super) started_event: u64,
    /// What most steps have nothing of.
    seldom: Option<Box<Seldom>>,
}

/// The part of a step's state that most steps never need.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    /// The input of the next activation, where it is known before the start.
    pub(super) prepared: Option<StepInput>,
    /// Step-local state of the present activation.
    pub(super) local: LocalState,
    /// Call number of an intent that has no result.
    pub(super) intent: Option<u32>,
    pub(super) request_id: Option<String>,
    /// The last failure that this join absorbed.
    pub(super) absorbed: Option<StepError>,
}

impl StepState {
    /// The seldom part, if it was ever needed.
    pub(super) fn seldom(&self) -> Option<&Seldom> {
        self.seldom.as_deref()
    }

    /// As [`Self::seldom`], to be changed.
    pub(super) fn seldom_mut(&mut self) -> Option<&mut Seldom> {
        self.seldom.as_deref_mut()
    }

    /// The seldom part, made if need be.
    pub(super) fn need_seldom(&mut self) -> &mut Seldom {
        self.seldom.get_or_insert_default()
    }

    /// Notes what an attempt has left behind as step-local state; its intent has a result.
    pub(super) fn attempt_left(&mut self, local: &LocalState) {
        if self.seldom.is_some() || !local.is_empty() {
            let seldom = self.need_seldom();
            seldom.intent = None;
            seldom.local.clone_from(local);
        }
    }

    /// Step-local state of the present activation.
    pub(super) fn local(&self) -> LocalState {
        self.seldom().map(|it| it.local.clone()).unwrap_or_default()
    }

    /// The open request of the step.
    pub(super) fn request_id(&self) -> Option<&str> {
        self.seldom()?.request_id.as_deref()
    }

    pub(super) fn new(unresolved: u32) -> Self {
        Self {
            status: StepStatus::Waiting,
            activation: 0,
            attempt: 0,
            unresolved,
            carried: 0,
            delivered: false,
            completed: false,
            skipped: false,
            dead: None,
            input: None,
            output: None,
            started_at: Timestamp::from_micros(0),
            started_event: 0,
            seldom: None,
        }
    }
}

/// What is known of one edge.
#[derive(Debug, Default)]
pub(super) struct EdgeState {
    pub(super) resolution: Resolution,
    /// What it carried; for an edge out of a loop that is still open, the latest value.
    pub(super) value: Option<Arc<Value>>,
}

/// Whether it is known what an edge does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Resolution {
    #[default]
    Open,
    Carried,
    Dead,
}

/// What is known of one loop.
#[derive(Debug)]
pub(super) struct LoopState {
    /// The present iteration, from 1.
    pub(super) iteration: u32,
    /// Own steps not settled and inner loops not closed.
    pub(super) open: u32,
    pub(super) closed: bool,
    /// A `first` join has ended it: it does not repeat.
    pub(super) stopped: bool,
}

impl LoopState {
    /// A loop in its first iteration.
    pub(super) fn fresh(looped: &PlanLoop) -> Self {
        let open = looped.own_steps.len() + looped.inner.len();
        Self {
            iteration: 1,
            open: u32::try_from(open).unwrap_or(u32::MAX),
            closed: false,
            stopped: false,
        }
    }
}

/// A step's output object.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// `{port: value}` with one port.
    Single(PortName, Arc<Value>),
    /// A handler's port-keyed object.
    Keyed(Arc<Value>),
}

impl Output {
    /// The value under a port, null included.
    pub fn port(&self, name: &str) -> Option<Arc<Value>> {
        match self {
            Self::Single(port, value) => (&**port == name).then(|| Arc::clone(value)),
            Self::Keyed(object) => object.get(name).map(|value| Arc::new(value.clone())),
        }
    }

    /// The output object.
    pub fn object(&self) -> Arc<Value> {
        match self {
            Self::Single(port, value) => {
                let mut fields = Map::new();
                fields.insert(port.to_string(), Value::clone(value));
                Arc::new(Value::Object(fields))
            }
            Self::Keyed(object) => Arc::clone(object),
        }
    }
}

/// What the run as a whole is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum RunPhase {
    /// No record was folded.
    New,
    /// Steps are started.
    Running,
    /// Steps are no longer started; what runs is let finish.
    Draining,
    /// Resumed; what happened during the pause is applied before steps start again.
    Held,
    /// A snapshot holds it.
    Paused {
        /// Id of the snapshot.
        snapshot_id: String,
    },
    /// It is over.
    Ended(End),
}

impl RunPhase {
    /// Whether steps are started.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Every step settled.
    Completed {
        /// The run's output.
        output: Arc<Value>,
    },
    /// A step, an edge or a loop failed.
    Failed {
        /// Why.
        error: StepError,
        /// Where, if a step is to blame.
        step: Option<StepIndex>,
    },
    /// Somebody cancelled it.
    Cancelled {
        /// The first step that was closed by it.
        step: Option<StepIndex>,
    },
    /// Its time was used up.
    TimedOut {
        /// Why, as an error.
        error: StepError,
        /// The first step that was closed by it.
        step: Option<StepIndex>,
    },
}

/// Times of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) started: Timestamp,
    /// Time of the last record.
    pub(super) last: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) paused_at: Option<Timestamp>,
    pub(super) paused: Duration,
    /// Running time up to `active_from`, in microseconds.
    pub(super) active_us: u64,
    pub(super) active_from: Timestamp,
}

/// The microseconds from one time to a later one; none if it is earlier.
pub(super) fn micros_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_micros() - from.as_micros()).unwrap_or(0)
}
