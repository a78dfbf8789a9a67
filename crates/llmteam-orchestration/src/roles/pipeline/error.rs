//! Why a run, or a pipeline, is not.
//!
//! Invariant: a run that began and failed hands back what it had reached. Texts of agents are one line, bounded, and
//! without the secrets that can be recognised. This file does not know how a run proceeds.

use std::{fmt, time::Duration};

use llmteam_security::AgentId;

use super::{
    super::{
        agent::Fields,
        run::RunPath,
        strategy::{Step, StrategyError},
    },
    outcome::Warning,
};
use crate::execution::{InvalidExecutorConfig, TaskErrorKind};

/// What a run had reached when it failed.
#[derive(Clone, PartialEq)]
pub struct PartialRun {
    /// Which run.
    pub run: RunPath,
    /// The input and what the agents had made of it.
    pub state: Fields,
    /// Where it stood.
    pub step: Step,
    /// How many decisions there were.
    pub steps: u32,
    /// What else is worth knowing.
    pub warnings: Vec<Warning>,
}

/// Shows the names of the state's fields and not their values: errors end up in logs.
impl fmt::Debug for PartialRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartialRun")
            .field("run", &self.run.to_string())
            .field("step", &self.step.to_string())
            .field("steps", &self.steps)
            .field("fields", &self.state.keys().collect::<Vec<_>>())
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// Why a run failed, or a pipeline refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OrchestrationError {
    /// A run of this name is under way.
    #[error("run `{run}` of pipeline `{pipeline}` is under way; wait for it or choose another id")]
    RunActive {
        /// The pipeline.
        pipeline: AgentId,
        /// The run.
        run: RunPath,
    },
    /// The strategy gave no decision.
    #[error("run `{}` has no decision: {source}", partial.run)]
    Strategy {
        /// Why.
        source: StrategyError,
        /// What was reached.
        partial: Box<PartialRun>,
    },
    /// An agent failed, and the decision that followed did not take it up.
    #[error("agent `{agent}` failed in run `{}`: {message}", partial.run)]
    AgentFailed {
        /// Who; the first of them, if several failed at once.
        agent: AgentId,
        /// How.
        kind: TaskErrorKind,
        /// What it met.
        message: String,
        /// What was reached.
        partial: Box<PartialRun>,
    },
    /// A step was tried again as often as it may be.
    #[error("step `{}` of run `{}` was tried again {retries} times, which is the most", partial.step, partial.run)]
    RetriesExhausted {
        /// How often.
        retries: u32,
        /// What was reached.
        partial: Box<PartialRun>,
    },
    /// The run has taken as many decisions as it may.
    #[error("run `{}` did not end within {maximum} steps", partial.run)]
    TooManySteps {
        /// The limit.
        maximum: u32,
        /// What was reached.
        partial: Box<PartialRun>,
    },
    /// The run has taken as long as it may.
    #[error("run `{}` did not end within {} s", partial.run, after.as_secs_f64())]
    DeadlineExceeded {
        /// The limit.
        after: Duration,
        /// What was reached.
        partial: Box<PartialRun>,
    },
    /// A configuration that cannot be meant.
    #[error("these fields of the configuration must be more than 0: {}", fields.join(", "))]
    InvalidConfig {
        /// The fields.
        fields: Vec<&'static str>,
    },
    /// A configuration that no executor can keep.
    #[error(transparent)]
    InvalidExecutorConfig(#[from] InvalidExecutorConfig),
}

impl OrchestrationError {
    /// The error code that callers act on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RunActive { .. } => "ORCHESTRATION_ACTIVE",
            Self::Strategy { .. } => "NO_DECISION",
            Self::AgentFailed { .. } => "AGENT_FAILED",
            Self::RetriesExhausted { .. } => "RETRIES_EXHAUSTED",
            Self::TooManySteps { .. } => "TOO_MANY_STEPS",
            Self::DeadlineExceeded { .. } => "ORCHESTRATION_TIMEOUT",
            Self::InvalidConfig { .. } | Self::InvalidExecutorConfig(_) => "ORCHESTRATION_INVALID",
        }
    }

    /// What the run had reached; `None` when it did not begin.
    pub fn partial(&self) -> Option<&PartialRun> {
        match self {
            Self::Strategy { partial, .. }
            | Self::AgentFailed { partial, .. }
            | Self::RetriesExhausted { partial, .. }
            | Self::TooManySteps { partial, .. }
            | Self::DeadlineExceeded { partial, .. } => Some(partial),
            Self::RunActive { .. }
            | Self::InvalidConfig { .. }
            | Self::InvalidExecutorConfig(_) => None,
        }
    }
}
