//! Several pipelines: choose one or some for an input, run them, combine what they return.
//!
//! Invariant: how a pipeline stands follows from what it is doing and is given back on every way out; every pipeline that
//! was chosen has exactly one outcome, whatever became of it; when all fail, that is an error. Combining is deterministic.
//! This module does not know how a pipeline proceeds, nor who made it: see [`GroupPipeline`].

mod aggregate;
mod config;
mod decision;
mod error;
mod event;
mod member;
mod metrics;
mod orchestrator;
mod outcome;
mod results;
mod run;
mod status;
pub mod strategy;
mod table;

#[cfg(test)]
mod tests;

/// The page of this module, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../../../docs/orchestration/groups.md")]
mod page {}

pub use self::{
    aggregate::{
        Aggregation, AggregationOptions, Conflict, ConflictPolicy, Quorum, VoteCount, aggregate,
    },
    config::GroupConfig,
    decision::{AggregationStrategy, GroupDecisionType, GroupOrchestrationDecision},
    error::{AggregationError, GroupError},
    event::{GroupEvent, GroupObserver},
    member::{GroupPipeline, PipelineFigures, PipelineProgress},
    metrics::GroupMetrics,
    orchestrator::GroupOrchestrator,
    outcome::{
        GroupOutcome, GroupOutcomeKind, PipelineFailure, PipelineFailureKind, PipelineOutcome,
    },
    status::{PipelineState, PipelineStatus},
    strategy::{
        ContentBasedRoutingStrategy, GroupOrchestrationStrategy, LoadBalancingStrategy,
        ParallelFanOutStrategy,
    },
};
