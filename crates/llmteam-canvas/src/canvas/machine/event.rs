//! What folding a record makes happen, before it is drawn as a Worktrail event.

use std::sync::Arc;

use llmteam_security::clock::Timestamp;
use serde_json::Value;

use super::state::Output;
use crate::canvas::handler::StepError;
use crate::canvas::plan::StepIndex;
use crate::events::StepEvent;
use crate::runtime::{PortName, StepInput};

/// One numbered event of a run.
#[derive(Debug, Clone)]
pub struct RunEvent {
    /// Its number in the run, from 1, without gaps (E-01, X-90).
    pub number: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The step it is about; none for events of the segment.
    pub step: Option<StepIndex>,
    /// Number of the event it belongs to.
    pub parent: Option<u64>,
    /// What happened.
    pub what: Happening,
}

/// Why a step was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// No path leads to it.
    Unreachable,
    /// No value can arrive any more.
    BranchNotTaken,
    /// A `first` join has its value.
    JoinSatisfied,
}

impl SkipReason {
    /// The wire string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::BranchNotTaken => "branch_not_taken",
            Self::JoinSatisfied => "join_satisfied",
        }
    }
}

/// The closed set of things that happen in a run.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "each variant is an event type and its payload fields, documented there"
)]
pub enum Happening {
    SegmentStarted {
        input: Arc<Value>,
    },
    SegmentCompleted {
        output: Arc<Value>,
        duration_ms: u64,
    },
    SegmentFailed {
        error: StepError,
        step: Option<StepIndex>,
        duration_ms: u64,
    },
    SegmentCancelled {
        reason: String,
        duration_ms: u64,
    },
    SegmentPaused {
        snapshot_id: String,
        steps_completed: u32,
    },
    SegmentResumed {
        snapshot_id: String,
        steps_completed: u32,
    },
    StepStarted {
        activation: u32,
        input: StepInput,
    },
    StepCompleted {
        activation: u32,
        output: Output,
        duration_ms: u64,
    },
    StepFailed {
        activation: u32,
        error: StepError,
        handled: bool,
        forced: bool,
        duration_ms: u64,
    },
    StepSkipped {
        reason: SkipReason,
    },
    StepRetrying {
        attempt: u32,
        max_attempts: u32,
        error: StepError,
    },
    HumanTaskCreated {
        task_id: String,
        task_type: String,
        assignee: Option<String>,
    },
    HumanTaskAssigned {
        task_id: String,
        assignee: String,
    },
    HumanTaskEscalated {
        task_id: String,
        assignee: String,
        level: u32,
    },
    HumanTaskCompleted {
        task_id: String,
        completed_by: String,
        duration_ms: u64,
    },
    DataConsumed {
        input_port: PortName,
        from_step: StepIndex,
        from_port: PortName,
    },
    DataProduced {
        output_port: PortName,
        value: Arc<Value>,
    },
    Emitted(StepEvent),
}
