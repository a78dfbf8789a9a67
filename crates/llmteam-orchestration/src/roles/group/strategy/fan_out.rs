//! Every pipeline gets the input.
//!
//! Invariant: all registered pipelines, in the order of registration.

use async_trait::async_trait;

use super::{
    super::{
        super::agent::Fields,
        decision::{AggregationStrategy, GroupDecisionType, GroupOrchestrationDecision},
        status::PipelineStatus,
    },
    GroupOrchestrationStrategy, GroupStrategyError, nobody,
};

/// Gives every pipeline the input and says how the results become one.
#[derive(Clone, Copy, Debug)]
pub struct ParallelFanOutStrategy {
    /// How.
    pub aggregation: AggregationStrategy,
}

impl Default for ParallelFanOutStrategy {
    fn default() -> Self {
        let aggregation = AggregationStrategy::Merge;
        Self { aggregation }
    }
}

#[async_trait]
impl GroupOrchestrationStrategy for ParallelFanOutStrategy {
    async fn decide(
        &self,
        statuses: &[PipelineStatus],
        _input: &Fields,
    ) -> Result<GroupOrchestrationDecision, GroupStrategyError> {
        if statuses.is_empty() {
            return Ok(nobody());
        }
        let targets = statuses.iter().map(|it| it.pipeline_id.clone());
        let kind = GroupDecisionType::ParallelPipelines;
        Ok(GroupOrchestrationDecision {
            aggregation_strategy: self.aggregation,
            ..GroupOrchestrationDecision::new(kind, targets, "fan_out")
        })
    }
}
