//! One pipeline: decide, act, and again, until the run is done.
//!
//! Invariant: a run ends in bounded steps and bounded time, as an outcome that says its kind or as an error that carries
//! what was reached; a failure of an agent is answered by a decision or ends the run, and is never taken for success.
//! Runs share nothing: each has its copy of the input, its own history, its own name.
//! This module does not know how decisions are reached, nor that pipelines stand in groups.

mod act;
mod builder;
mod config;
mod error;
mod events;
mod figures;
mod history;
mod orchestrator;
mod outcome;
mod run;

#[cfg(test)]
mod tests;

/// The page of strategies and pipelines, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../../../docs/orchestration/roles.md")]
mod page {}

pub use self::{
    builder::PipelineBuilder,
    config::PipelineConfig,
    error::{OrchestrationError, PartialRun},
    orchestrator::PipelineOrchestrator,
    outcome::{OrchestrationOutcome, OutcomeKind, Warning},
};
