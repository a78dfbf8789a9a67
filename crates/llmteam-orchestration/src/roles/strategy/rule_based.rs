//! Rules, tried in order.
//!
//! Invariant: the first rule that gives a decision decides. Where none does, each agent gets one turn in the order of
//! registration and then the run ends; a failure that no rule takes up ends it too, as the failure that it is.
//! This module does not know what a rule looks at.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{
    super::decision::{DecisionSource, DecisionType, OrchestrationDecision},
    OrchestrationContext, OrchestrationStrategy, StrategyError,
};

/// Why a rule cannot say whether it fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleFailure(pub String);

/// A rule that waits for something, such as a look-up, before it can say.
#[async_trait]
pub trait AsyncRule: Send + Sync {
    /// The decision when the rule fits.
    ///
    /// # Errors
    ///
    /// [`RuleFailure`] when it cannot say. No later rule is tried then.
    async fn apply(
        &self,
        context: &OrchestrationContext,
    ) -> Result<Option<OrchestrationDecision>, RuleFailure>;
}

type SyncRule = dyn Fn(&OrchestrationContext) -> Option<OrchestrationDecision> + Send + Sync;

#[derive(Clone)]
enum Rule {
    Sync(Arc<SyncRule>),
    Async(Arc<dyn AsyncRule>),
}

/// Decides by rules.
///
/// ```
/// use llmteam_orchestration::roles::{DecisionType, OrchestrationDecision, strategy::RuleBasedStrategy};
///
/// let strategy = RuleBasedStrategy::new().add_rule("too many errors", |context| {
///     (context.error_rate > 0.5)
///         .then(|| OrchestrationDecision::new(DecisionType::Escalate, [], "high_error_rate"))
/// });
/// assert_eq!(strategy.rules().collect::<Vec<_>>(), ["too many errors"]);
/// ```
#[derive(Clone, Default)]
pub struct RuleBasedStrategy {
    rules: Vec<(String, Rule)>,
}

impl RuleBasedStrategy {
    /// No rules: each agent once, in order, then the end.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a rule after the others. Decisions name it as their source.
    #[must_use]
    pub fn add_rule(
        mut self,
        name: impl Into<String>,
        rule: impl Fn(&OrchestrationContext) -> Option<OrchestrationDecision> + Send + Sync + 'static,
    ) -> Self {
        self.rules.push((name.into(), Rule::Sync(Arc::new(rule))));
        self
    }

    /// The same with a rule after the others that may wait.
    #[must_use]
    pub fn add_async_rule(
        mut self,
        name: impl Into<String>,
        rule: impl AsyncRule + 'static,
    ) -> Self {
        self.rules.push((name.into(), Rule::Async(Arc::new(rule))));
        self
    }

    /// The names of the rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|(name, _)| name.as_str())
    }

    /// The decision of the first rule that fits, if one does.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Rule`] when a rule before it cannot say.
    pub async fn first_fit(
        &self,
        context: &OrchestrationContext,
    ) -> Result<Option<OrchestrationDecision>, StrategyError> {
        for (name, rule) in &self.rules {
            let decision = match rule {
                Rule::Sync(rule) => rule(context),
                Rule::Async(rule) => {
                    let failed = |failure| StrategyError::Rule {
                        rule: name.clone(),
                        failure,
                    };
                    rule.apply(context).await.map_err(failed)?
                }
            };
            if let Some(decision) = decision {
                return Ok(Some(
                    decision.by(DecisionSource::Rule { name: name.clone() }),
                ));
            }
        }
        Ok(None)
    }
}

/// What happens where no rule fits.
fn default_sequence(context: &OrchestrationContext) -> OrchestrationDecision {
    let decision = if !context.failed_agents.is_empty() {
        OrchestrationDecision::end("agent_failed")
    } else if let Some(next) = context.next_in_order() {
        OrchestrationDecision::new(DecisionType::Route, [next.clone()], "default_sequence")
    } else {
        OrchestrationDecision::end("no_more_agents")
    };
    decision.by(DecisionSource::DefaultSequence)
}

#[async_trait]
impl OrchestrationStrategy for RuleBasedStrategy {
    async fn decide(
        &self,
        context: &OrchestrationContext,
    ) -> Result<OrchestrationDecision, StrategyError> {
        let decision = self.first_fit(context).await?;
        Ok(decision.unwrap_or_else(|| default_sequence(context)))
    }
}

impl fmt::Debug for RuleBasedStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules()).finish()
    }
}
