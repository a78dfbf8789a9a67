//! What stands in a group: anything that runs as a pipeline does.
//!
//! Invariant: nothing; a contract. This module does not know groups.

use async_trait::async_trait;
use llmteam_security::AgentId;

use super::super::{
    agent::Fields,
    mining::ProcessMetrics,
    pipeline::{OrchestrationError, OrchestrationOutcome, PipelineOrchestrator},
    run::RunPath,
};

/// A pipeline, as a group sees it.
///
/// `run` may be called several times at once with different paths. Dropping its future calls the run off.
#[async_trait]
pub trait GroupPipeline: Send + Sync {
    /// Its id, the same at every call; within a group it is unique.
    fn pipeline_id(&self) -> &AgentId;

    /// Its part of a run of the group.
    ///
    /// # Errors
    ///
    /// The run failed. An outcome that is no success is not an error of this method, but counts as a failure of the part.
    async fn run(
        &self,
        run: RunPath,
        input: &Fields,
    ) -> Result<OrchestrationOutcome, OrchestrationError>;

    /// How far it is.
    fn progress(&self) -> PipelineProgress {
        PipelineProgress::default()
    }

    /// What process mining says of it; `None` where it is off or cannot say.
    fn process_figures(&self) -> Option<PipelineFigures> {
        None
    }
}

/// How far the run that is least far is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineProgress {
    /// 0 to 1; 0 when nothing runs or nobody knows.
    pub progress: f64,
    /// Where it stands; empty when nothing runs or nobody knows.
    pub current_step: String,
}

/// What process mining says of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineFigures {
    /// From how many cases: the weight of the figures.
    pub cases: usize,
    /// The figures.
    pub metrics: ProcessMetrics,
}

#[async_trait]
impl GroupPipeline for PipelineOrchestrator {
    fn pipeline_id(&self) -> &AgentId {
        self.pipeline_id()
    }

    async fn run(
        &self,
        run: RunPath,
        input: &Fields,
    ) -> Result<OrchestrationOutcome, OrchestrationError> {
        self.orchestrate(run, input).await
    }

    fn progress(&self) -> PipelineProgress {
        let furthest_behind = self.least_progress();
        furthest_behind.map_or_else(PipelineProgress::default, |(progress, step)| {
            PipelineProgress {
                progress,
                current_step: step.to_string(),
            }
        })
    }

    fn process_figures(&self) -> Option<PipelineFigures> {
        let cases = self.process_mining()?.get_case_count();
        let metrics = self.get_process_metrics().ok()??;
        Some(PipelineFigures { cases, metrics })
    }
}
