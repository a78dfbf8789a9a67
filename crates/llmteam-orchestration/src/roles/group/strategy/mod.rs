//! Who decides which pipelines get an input.
//!
//! Invariant: a strategy is shown copies and changes nothing; the same statuses and input give the strategies of this
//! module the same decision.
//! This module does not know how a decision is carried out.

mod content;
mod fan_out;
mod load_balancing;
mod words_of;

use async_trait::async_trait;

pub use self::{
    content::{ContentBasedRoutingStrategy, InvalidRoutingRule, RoutingRule, Scoring},
    fan_out::ParallelFanOutStrategy,
    load_balancing::LoadBalancingStrategy,
};
use super::{
    super::agent::Fields,
    decision::{GroupDecisionType, GroupOrchestrationDecision},
    status::PipelineStatus,
};

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GroupStrategyError(pub String);

/// Decides which pipelines get an input.
#[async_trait]
pub trait GroupOrchestrationStrategy: Send + Sync {
    /// The decision for `input`. `statuses` are those of all registered pipelines, in the order of registration.
    ///
    /// # Errors
    ///
    /// There is no decision; nothing runs then.
    async fn decide(
        &self,
        statuses: &[PipelineStatus],
        input: &Fields,
    ) -> Result<GroupOrchestrationDecision, GroupStrategyError>;

    /// Whether the decision rests on who is busy, so that it is to be made again when somebody else was started meanwhile.
    fn depends_on_load(&self) -> bool {
        false
    }
}

/// What is decided where no pipeline can be given anything.
fn nobody() -> GroupOrchestrationDecision {
    GroupOrchestrationDecision::new(GroupDecisionType::Escalate, [], "no_pipelines_available")
}

#[cfg(test)]
mod tests {
    use llmteam_security::{AgentId, Timestamp};

    use super::*;
    use crate::roles::group::{AggregationStrategy, PipelineState};

    pub(super) fn status(id: &str) -> PipelineStatus {
        PipelineStatus::idle(id.parse().unwrap(), Timestamp::from_micros(0))
    }

    pub(super) async fn decided(
        strategy: &impl GroupOrchestrationStrategy,
        statuses: &[PipelineStatus],
        input: serde_json::Value,
    ) -> (GroupDecisionType, Vec<String>, String) {
        let input = input.as_object().unwrap().clone();
        let decision = strategy.decide(statuses, &input).await.unwrap();
        let targets = decision.target_pipelines.iter().map(AgentId::to_string);
        (decision.decision_type, targets.collect(), decision.reason)
    }

    // covers: GR04
    #[tokio::test]
    async fn without_pipelines_every_strategy_escalates() {
        let nobody = (
            GroupDecisionType::Escalate,
            vec![],
            "no_pipelines_available".to_owned(),
        );
        let input = || serde_json::json!({"text": "urgent"});
        assert_eq!(decided(&LoadBalancingStrategy, &[], input()).await, nobody);
        assert_eq!(
            decided(&ParallelFanOutStrategy::default(), &[], input()).await,
            nobody
        );
        let content = ContentBasedRoutingStrategy::new([]).unwrap();
        assert_eq!(decided(&content, &[], input()).await, nobody);
    }

    // covers: GR07
    #[tokio::test]
    async fn fan_out_takes_all_and_says_how_to_combine() {
        let mut statuses = [status("p2"), status("p1")];
        statuses[0].status = PipelineState::Running;
        let strategy = ParallelFanOutStrategy::default();
        let decision = strategy.decide(&statuses, &Fields::new()).await.unwrap();
        assert_eq!(decision.decision_type, GroupDecisionType::ParallelPipelines);
        let targets: Vec<&str> = decision
            .target_pipelines
            .iter()
            .map(AgentId::as_str)
            .collect();
        assert_eq!(targets, ["p2", "p1"]);
        assert_eq!(decision.reason, "fan_out");
        assert_eq!(decision.aggregation_strategy, AggregationStrategy::Merge);
    }
}
