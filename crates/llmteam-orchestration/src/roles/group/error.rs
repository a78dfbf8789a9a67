//! Why a group, or a run of it, is refused or fails.
//!
//! Invariant: a run in which pipelines ran hands their outcomes back. This file does not know how a run proceeds.

use llmteam_security::{AgentId, RunId, ratelimit::RateLimitError};

use super::{
    super::run::RunPath,
    aggregate::Conflict,
    outcome::{PipelineFailure, PipelineOutcome},
    strategy::GroupStrategyError,
};
use crate::{execution::InvalidExecutorConfig, licensing::LimitExceededError};

/// Why results cannot be combined.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AggregationError {
    /// There is no result among them.
    #[error("no pipeline returned a result")]
    NoResult,
    /// Pipelines give fields different values, and that is refused.
    #[error("pipelines differ in {}", fields(.conflicts))]
    Conflicts {
        /// In which fields.
        conflicts: Vec<Conflict>,
    },
    /// Too few agree.
    #[error("{votes} pipelines agree, and {needed} must")]
    NoQuorum {
        /// The most that agree.
        votes: usize,
        /// How many must.
        needed: usize,
    },
    /// No result has the field that is voted on.
    #[error("no result has the field `{field}` that is voted on")]
    NoVotes {
        /// The field.
        field: String,
    },
}

fn fields(conflicts: &[Conflict]) -> String {
    let fields = conflicts.iter().map(|it| format!("`{}`", it.field));
    fields.collect::<Vec<_>>().join(", ")
}

/// Why a group refused, or a run of it failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GroupError {
    /// A pipeline of this id is registered.
    #[error("pipeline `{pipeline}` is registered already; unregister it first")]
    DuplicatePipeline {
        /// The id.
        pipeline: AgentId,
    },
    /// A run of this name is under way.
    #[error("run `{run}` of group `{group}` is under way; wait for it or choose another id")]
    RunActive {
        /// The group.
        group: AgentId,
        /// The run.
        run: RunPath,
    },
    /// None of the pipelines that were chosen is registered.
    #[error("run `{run}` has no pipeline: {} registered", none_of(.missing))]
    NoPipeline {
        /// The run.
        run: RunPath,
        /// Who was chosen.
        missing: Vec<AgentId>,
    },
    /// Every pipeline that was chosen failed.
    #[error("every pipeline of run `{run}` failed: {}", failures(.outcomes))]
    AllFailed {
        /// The run.
        run: RunPath,
        /// How, in the order of the targets.
        outcomes: Vec<PipelineOutcome>,
    },
    /// What the pipelines returned cannot be combined.
    #[error("the results of run `{run}` cannot be combined: {source}")]
    Aggregation {
        /// The run.
        run: RunPath,
        /// Why.
        source: AggregationError,
        /// What became of each, in the order of the targets.
        outcomes: Vec<PipelineOutcome>,
    },
    /// The results of an earlier run are not there, or no longer.
    #[error("the results of run `{run}` are not kept")]
    UnknownRun {
        /// The run.
        run: RunId,
    },
    /// The strategy gave no decision.
    #[error("run `{run}` has no decision: {source}")]
    Strategy {
        /// The run.
        run: RunPath,
        /// Why.
        source: GroupStrategyError,
    },
    /// More than is licensed.
    #[error(transparent)]
    Unlicensed(#[from] LimitExceededError),
    /// A configuration that no circuit can keep.
    #[error(transparent)]
    InvalidCircuit(#[from] RateLimitError),
    /// A configuration that no executor can keep.
    #[error(transparent)]
    InvalidExecutorConfig(#[from] InvalidExecutorConfig),
}

fn none_of(missing: &[AgentId]) -> String {
    match missing {
        [] => "none was chosen or is".to_owned(),
        some => {
            let names: Vec<String> = some.iter().map(|it| format!("`{it}`")).collect();
            format!("none of {} is", names.join(", "))
        }
    }
}

fn failures(outcomes: &[PipelineOutcome]) -> String {
    let text = |it: &PipelineOutcome| {
        let failure: Option<&PipelineFailure> = it.result.as_ref().err();
        let message = failure.map_or("", |it| it.message.as_str());
        format!("`{}`: {message}", it.pipeline_id)
    };
    outcomes.iter().map(text).collect::<Vec<_>>().join("; ")
}

impl GroupError {
    /// The error code that callers act on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RunActive { .. } => "ORCHESTRATION_ACTIVE",
            Self::Strategy { .. } => "NO_DECISION",
            Self::NoPipeline { .. } => "NO_PIPELINE",
            Self::AllFailed { .. } => "ALL_PIPELINES_FAILED",
            Self::Aggregation { .. } => "AGGREGATION_REFUSED",
            Self::UnknownRun { .. } => "RESULTS_NOT_KEPT",
            Self::Unlicensed(_) => "LICENSE_LIMIT",
            Self::DuplicatePipeline { .. }
            | Self::InvalidCircuit(_)
            | Self::InvalidExecutorConfig(_) => "ORCHESTRATION_INVALID",
        }
    }

    /// What became of the pipelines that ran.
    pub fn outcomes(&self) -> &[PipelineOutcome] {
        match self {
            Self::AllFailed { outcomes, .. } | Self::Aggregation { outcomes, .. } => outcomes,
            _ => &[],
        }
    }
}
