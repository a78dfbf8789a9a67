//! How a pipeline of a group stands.
//!
//! Invariant: a status is a copy of one moment; its state follows from the number of runs and from how the last one ended.
//! This module does not know who counts.

use llmteam_security::{AgentId, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::words::words;

words! {
    /// What a pipeline is doing.
    PipelineState, "the state of a pipeline" {
        /// Nothing, and its last run went well or there was none.
        Idle = "idle",
        /// At least one run is under way.
        Running = "running",
        /// All its runs are done. Never the state of a pipeline in a group, which is idle then; hosts may report it.
        Completed = "completed",
        /// Nothing, and its last run failed.
        Failed = "failed",
    }
}

/// How a pipeline stands at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineStatus {
    /// Which pipeline.
    pub pipeline_id: AgentId,
    /// What it is doing.
    pub status: PipelineState,
    /// How far the run that is least far is: 0 to 1; 0 when nothing runs or nobody knows.
    pub progress: f64,
    /// Where that run stands; empty when nothing runs or nobody knows.
    pub current_step: String,
    /// How many of its runs have failed.
    pub error_count: u64,
    /// How many of its runs are under way.
    pub in_flight: usize,
    /// Whether it may be given a run; not while it cools down after failures.
    pub available: bool,
    /// Which of all starts in the group was its latest, from 1; 0 when it was never started. Lower is longer ago.
    pub last_start: u64,
    /// When anything of this last changed.
    pub last_update: Timestamp,
}

impl PipelineStatus {
    /// A pipeline that does nothing and never did.
    pub fn idle(pipeline_id: AgentId, now: Timestamp) -> Self {
        Self {
            pipeline_id,
            status: PipelineState::Idle,
            progress: 0.0,
            current_step: String::new(),
            error_count: 0,
            in_flight: 0,
            available: true,
            last_start: 0,
            last_update: now,
        }
    }
}
