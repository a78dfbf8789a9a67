//! Rules first, and the model only for what no rule covers.
//!
//! Invariant: the second strategy is asked exactly when no rule fits, and every decision says who reached it: its
//! source names the rule or the model, its metadata what was tried before.
//! This module does not know that the second strategy is a model.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{
    super::decision::OrchestrationDecision, OrchestrationContext, OrchestrationStrategy,
    RuleBasedStrategy, StrategyError,
};

/// The member of a decision's metadata that names the rules which did not fit.
pub const RULES_PASSED: &str = "rules_passed";

/// Decides by rules, and where none fits by another strategy.
#[derive(Clone)]
pub struct RulesFirstStrategy {
    rules: RuleBasedStrategy,
    otherwise: Arc<dyn OrchestrationStrategy>,
}

impl RulesFirstStrategy {
    /// `rules`, then `otherwise`, usually an [`LLMBasedStrategy`](super::LLMBasedStrategy).
    pub fn new(rules: RuleBasedStrategy, otherwise: Arc<dyn OrchestrationStrategy>) -> Self {
        Self { rules, otherwise }
    }
}

#[async_trait]
impl OrchestrationStrategy for RulesFirstStrategy {
    async fn decide(
        &self,
        context: &OrchestrationContext,
    ) -> Result<OrchestrationDecision, StrategyError> {
        if let Some(decision) = self.rules.first_fit(context).await? {
            return Ok(decision);
        }
        let mut decision = self.otherwise.decide(context).await?;
        let passed: Vec<Value> = self.rules.rules().map(Value::from).collect();
        decision
            .metadata
            .insert(RULES_PASSED.to_owned(), passed.into());
        Ok(decision)
    }
}
