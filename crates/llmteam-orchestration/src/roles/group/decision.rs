//! What is decided about an input of a group.
//!
//! Invariant: type and aggregation are members of closed sets; no text stands for them.
//! This module does not know how a decision is reached or carried out.

use llmteam_security::{AgentId, RunId};
use serde::{Deserialize, Serialize};

use super::super::{agent::Fields, words::words};

words! {
    /// What happens with an input.
    GroupDecisionType, "a decision of a group" {
        /// The targets run, and what they return is combined.
        RouteToPipeline = "route_to_pipeline",
        /// The same; says that several are meant to run at the same time.
        ParallelPipelines = "parallel_pipelines",
        /// What earlier runs returned is combined; nothing runs.
        AggregateResults = "aggregate_results",
        /// Nothing runs and somebody above is told.
        Escalate = "escalate",
    }

    /// How the results of several pipelines become one.
    AggregationStrategy, "a way to aggregate" {
        /// One map of all fields; of a field that several give, the last in order of the targets counts.
        Merge = "merge",
        /// The result that most agree on.
        Vote = "vote",
        /// The first success; the others are called off.
        First = "first",
        /// All of them side by side, failures included.
        All = "all",
    }
}

/// What happens with an input, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupOrchestrationDecision {
    /// What happens.
    pub decision_type: GroupDecisionType,
    /// Which pipelines run. Of [`GroupDecisionType::AggregateResults`]: whose results count; empty for all.
    pub target_pipelines: Vec<AgentId>,
    /// How results become one.
    #[serde(default = "merge")]
    pub aggregation_strategy: AggregationStrategy,
    /// Of [`GroupDecisionType::AggregateResults`]: the earlier runs of the group, in this order.
    #[serde(default)]
    pub source_runs: Vec<RunId>,
    /// Why, for people and logs.
    #[serde(default)]
    pub reason: String,
    /// Anything else worth keeping with it.
    #[serde(default)]
    pub metadata: Fields,
}

fn merge() -> AggregationStrategy {
    AggregationStrategy::Merge
}

impl GroupOrchestrationDecision {
    /// A decision that merges results; the fields are public for others.
    pub fn new(
        decision_type: GroupDecisionType,
        targets: impl IntoIterator<Item = AgentId>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            decision_type,
            target_pipelines: targets.into_iter().collect(),
            aggregation_strategy: merge(),
            source_runs: Vec::new(),
            reason: reason.into(),
            metadata: Fields::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // covers: GR01
    #[test]
    fn words_of_decisions() {
        let words = [
            "route_to_pipeline",
            "parallel_pipelines",
            "aggregate_results",
            "escalate",
        ];
        assert_eq!(GroupDecisionType::WORDS, words);
    }

    // covers: G9
    #[test]
    fn an_unknown_aggregation_is_refused() {
        let error = "Merge".parse::<AggregationStrategy>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Merge` is not a way to aggregate: expected `merge`, `vote`, `first`, `all`"
        );
        let decision = json!({"decision_type": "escalate", "target_pipelines": [], "aggregation_strategy": "Merge"});
        assert!(serde_json::from_value::<GroupOrchestrationDecision>(decision).is_err());
        let decision = json!({"decision_type": "escalate", "target_pipelines": []});
        let decision: GroupOrchestrationDecision = serde_json::from_value(decision).unwrap();
        assert_eq!(decision.aggregation_strategy, AggregationStrategy::Merge);
    }
}
