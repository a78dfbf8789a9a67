//! Many agents at once on one input: bounded, timed, repeated where that may help.
//!
//! Invariant: every agent has exactly one result, at its place in the order of the input, whatever agents,
//! deadlines or callers do; and no more than `max_concurrent` + `queue_size` of them are live at once.
//! This module does not know what an agent does, nor who chose these agents.
//!
//! ```
//! use std::sync::Arc;
//! use async_trait::async_trait;
//! use llmteam_orchestration::{execution::{ExecutorConfig, PipelineExecutor}, roles::{Agent, AgentError, Fields}};
//! use llmteam_security::SystemClock;
//!
//! struct Greeter;
//!
//! #[async_trait]
//! impl Agent for Greeter {
//!     async fn process(&self, input: &Fields) -> Result<Fields, AgentError> {
//!         Ok(input.clone())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let executor = PipelineExecutor::new(ExecutorConfig::default(), Arc::new(SystemClock))?;
//! let results = executor.execute([Arc::new(Greeter), Arc::new(Greeter)], &Fields::new()).await;
//! assert!(results.iter().all(|it| it.success()));
//! # Ok(()) }
//! ```

mod attempt;
mod batch;
mod blocking;
mod config;
mod error;
mod executor;
mod host;
mod licensed;
mod result;
mod seconds;
mod slots;
mod stats;
mod turn;
mod window;

#[cfg(test)]
mod tests;

/// The page of this module, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/orchestration/execution.md")]
mod page {}

pub use self::{
    blocking::{BlockingAgent, BlockingError, BlockingPool},
    config::{ExecutionMode, ExecutorConfig, WhenFull},
    error::{ConfigFault, InvalidExecutorConfig},
    executor::PipelineExecutor,
    result::{TaskError, TaskErrorKind, TaskId, TaskResult},
    stats::ExecutionStats,
};
