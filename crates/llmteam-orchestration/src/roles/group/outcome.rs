//! What became of a run of a group, and of each pipeline in it.
//!
//! Invariant: every pipeline that was chosen has one outcome; texts of failures are one line, bounded, and without the
//! secrets that can be recognised. This module does not know how outcomes are combined.

use llmteam_security::AgentId;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{
    super::{
        agent::Fields,
        pipeline::{OrchestrationError, OrchestrationOutcome, OutcomeKind, Warning},
        run::RunPath,
        text::sanitised,
        words::words,
    },
    aggregate::{Conflict, VoteCount},
    decision::GroupOrchestrationDecision,
};
use crate::execution::{TaskError, TaskErrorKind};

words! {
    /// Why a pipeline has no result.
    PipelineFailureKind, "a kind of failure" {
        /// Its run failed.
        Failed = "failed",
        /// Its run ended with an escalation.
        Escalated = "escalated",
        /// Its run ended because a decision named nobody.
        NoTarget = "no_target",
        /// Its run ended because the model's answer could not be used.
        ParseError = "parse_error",
        /// It took longer than it may.
        Timeout = "timeout",
        /// It was called off, as when another was first.
        Cancelled = "cancelled",
        /// It cools down after failures and was not started.
        CoolingDown = "cooling_down",
        /// Its part of this run is under way already.
        RunActive = "run_active",
        /// There was neither a slot nor a place in the queue.
        QueueFull = "queue_full",
    }

    /// How a run of a group ended.
    GroupOutcomeKind, "an outcome of a group's run" {
        /// There is a result.
        Completed = "completed",
        /// Somebody above must see to it; nothing ran.
        Escalated = "escalated",
    }
}

/// Why a pipeline has no result, for machines and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PipelineFailure {
    /// What kind of failure.
    pub kind: PipelineFailureKind,
    /// What happened.
    pub message: String,
}

impl PipelineFailure {
    pub(super) fn new(kind: PipelineFailureKind, message: &str) -> Self {
        let message = sanitised(message);
        Self { kind, message }
    }

    /// Whether it says that the pipeline itself is not well.
    pub(super) fn counts_against(&self) -> bool {
        match self.kind {
            PipelineFailureKind::Failed
            | PipelineFailureKind::NoTarget
            | PipelineFailureKind::ParseError
            | PipelineFailureKind::Timeout => true,
            PipelineFailureKind::Escalated
            | PipelineFailureKind::Cancelled
            | PipelineFailureKind::CoolingDown
            | PipelineFailureKind::RunActive
            | PipelineFailureKind::QueueFull => false,
        }
    }
}

impl From<&OrchestrationError> for PipelineFailure {
    fn from(error: &OrchestrationError) -> Self {
        let kind = match error {
            OrchestrationError::RunActive { .. } => PipelineFailureKind::RunActive,
            OrchestrationError::DeadlineExceeded { .. } => PipelineFailureKind::Timeout,
            _ => PipelineFailureKind::Failed,
        };
        Self::new(kind, &error.to_string())
    }
}

impl From<&TaskError> for PipelineFailure {
    fn from(error: &TaskError) -> Self {
        let kind = match error.kind() {
            TaskErrorKind::Timeout | TaskErrorKind::TotalTimeout => PipelineFailureKind::Timeout,
            TaskErrorKind::Cancelled => PipelineFailureKind::Cancelled,
            TaskErrorKind::QueueFull => PipelineFailureKind::QueueFull,
            TaskErrorKind::Failed | TaskErrorKind::Permanent | TaskErrorKind::Panicked => {
                PipelineFailureKind::Failed
            }
        };
        Self::new(kind, error.message())
    }
}

/// What became of one pipeline's part of a run. In JSON `ok`, and `result` or `error`.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineOutcome {
    /// Which pipeline.
    pub pipeline_id: AgentId,
    /// Its part of the run; without an attempt of its own when it was not started.
    pub run: RunPath,
    /// What it returned, or why it did not.
    pub result: Result<Fields, PipelineFailure>,
    /// What else is worth knowing.
    pub warnings: Vec<Warning>,
    /// Which success of the run it was, from 1; 0 when it was none or nobody knows.
    pub rank: u32,
}

impl PipelineOutcome {
    /// Whether it returned something.
    pub fn ok(&self) -> bool {
        self.result.is_ok()
    }

    pub(super) fn failed(pipeline_id: AgentId, run: RunPath, failure: PipelineFailure) -> Self {
        Self {
            pipeline_id,
            run,
            result: Err(failure),
            warnings: Vec::new(),
            rank: 0,
        }
    }

    pub(super) fn of(pipeline_id: AgentId, outcome: OrchestrationOutcome) -> Self {
        let failed = |kind| {
            let text = format!(
                "the run ended as {}: {}",
                outcome.kind, outcome.decision.reason
            );
            Err(PipelineFailure::new(kind, &text))
        };
        Self {
            pipeline_id,
            result: match outcome.kind {
                OutcomeKind::Completed => Ok(outcome.state),
                OutcomeKind::Escalated => failed(PipelineFailureKind::Escalated),
                OutcomeKind::NoTarget => failed(PipelineFailureKind::NoTarget),
                OutcomeKind::ParseError => failed(PipelineFailureKind::ParseError),
            },
            run: outcome.run,
            warnings: outcome.warnings,
            rank: 0,
        }
    }
}

impl Serialize for PipelineOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("PipelineOutcome", 5)?;
        json.serialize_field("pipeline_id", &self.pipeline_id)?;
        json.serialize_field("run", &self.run)?;
        json.serialize_field("ok", &self.ok())?;
        match &self.result {
            Ok(fields) => json.serialize_field("result", fields)?,
            Err(failure) => json.serialize_field("error", failure)?,
        }
        json.serialize_field("warnings", &self.warnings)?;
        json.end()
    }
}

/// What became of a run of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupOutcome {
    /// Which run.
    pub run: RunPath,
    /// How it ended.
    pub kind: GroupOutcomeKind,
    /// The combined result; empty after an escalation.
    pub result: Fields,
    /// What was decided.
    pub decision: GroupOrchestrationDecision,
    /// What became of each pipeline that was chosen, in the order of the targets.
    pub outcomes: Vec<PipelineOutcome>,
    /// Fields that pipelines gave different values, by name.
    pub conflicts: Vec<Conflict>,
    /// How the votes fell, most first; empty unless there was a vote.
    pub votes: Vec<VoteCount>,
    /// Pipelines that were named and are not registered.
    pub missing: Vec<AgentId>,
}
