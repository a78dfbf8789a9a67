//! What a run has come to.

use std::sync::Arc;

use llmteam_security::clock::Timestamp;
use llmteam_security::id::{RunId, SegmentId};
use llmteam_workflow::persistence::RunState;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::canvas::handler::StepError;
use crate::canvas::machine::{End, RunMachine, RunPhase};
use crate::events::{ErrorInfo, WorktrailEvent};

/// The state of a run as people see it.
pub type SegmentStatus = RunState;

/// The result of a run that ended, is paused, or waits.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentResult {
    /// The run.
    pub run_id: RunId,
    /// Its segment.
    pub segment_id: SegmentId,
    /// What it has come to.
    pub status: SegmentStatus,
    /// Output object; `{}` unless completed.
    pub output: Arc<Value>,
    /// Why it failed.
    pub error: Option<ErrorInfo>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended or was paused.
    pub completed_at: Option<Timestamp>,
    /// Wall time without pauses, in milliseconds.
    pub duration_ms: u64,
    /// Distinct steps that completed.
    pub steps_completed: u32,
    /// All steps of the segment.
    pub steps_total: u32,
    /// Skip events.
    pub steps_skipped: u32,
    /// Failures that were handled or absorbed.
    pub steps_failed: u32,
    /// The step a person would look at.
    pub current_step: Option<String>,
    /// The snapshot it was resumed from.
    pub resumed_from: Option<String>,
    /// The snapshot that holds it, while it is paused.
    pub snapshot_id: Option<String>,
    /// Requests that wait for a person.
    pub pending_requests: Vec<String>,
    /// All events, if `RunConfig.collect_events` is set. Not part of the JSON.
    #[serde(skip)]
    pub events: Vec<Arc<WorktrailEvent>>,
}

impl SegmentResult {
    /// What the machine has come to.
    pub(super) fn of(machine: &RunMachine) -> Self {
        let counts = machine.counts();
        let (status, output, error) = status_of(machine);
        let identity = machine.identity();
        Self {
            run_id: identity.run_id.clone(),
            segment_id: identity.segment_id.clone(),
            status,
            output: output.unwrap_or_else(|| Arc::new(Value::Object(Map::new()))),
            error: error.map(ErrorInfo::from),
            started_at: Some(machine.started_at()),
            completed_at: machine.stopped_at(),
            duration_ms: u64::try_from(machine.duration().as_millis()).unwrap_or(u64::MAX),
            steps_completed: counts.completed,
            steps_total: u32::try_from(machine.plan().steps().len()).unwrap_or(u32::MAX),
            steps_skipped: counts.skipped,
            steps_failed: counts.failed,
            current_step: machine
                .current_step()
                .map(|step| machine.step_id(step).to_string()),
            resumed_from: machine.resumed_from().map(str::to_owned),
            snapshot_id: match machine.phase() {
                RunPhase::Paused { snapshot_id } => Some(snapshot_id.clone()),
                _ => None,
            },
            pending_requests: machine.open_requests(),
            events: Vec::new(),
        }
    }

    /// The result as its JSON object.
    ///
    /// # Errors
    /// None for a result that was made here; serde's signature has one.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

/// Status, output and error of a run.
pub(super) fn status_of(
    machine: &RunMachine,
) -> (SegmentStatus, Option<Arc<Value>>, Option<&StepError>) {
    match machine.phase() {
        RunPhase::New => (SegmentStatus::Pending, None, None),
        RunPhase::Paused { .. } => (SegmentStatus::Paused, None, None),
        RunPhase::Ended(End::Completed { output }) => {
            (SegmentStatus::Completed, Some(Arc::clone(output)), None)
        }
        RunPhase::Ended(End::Failed { error, .. }) => (SegmentStatus::Failed, None, Some(error)),
        RunPhase::Ended(End::Cancelled { .. }) => (SegmentStatus::Cancelled, None, None),
        RunPhase::Ended(End::TimedOut { error, .. }) => (SegmentStatus::Timeout, None, Some(error)),
        _ if machine.is_waiting() => (SegmentStatus::Waiting, None, None),
        RunPhase::Running | RunPhase::Draining | RunPhase::Held => {
            (SegmentStatus::Running, None, None)
        }
    }
}
