//! Who decides what happens next in a run: rules, a language model, or rules first and the model for the rest.
//!
//! Invariant: a strategy is shown a copy of the run's situation and answers with a decision; it changes nothing. What
//! a model answers is checked before anybody acts on it, and an answer that cannot be used is never taken for a success.
//! This module does not know how decisions are carried out: see [`super::pipeline`].

mod answer;
mod context;
mod llm_based;
mod model_call;
mod prompt;
mod rule_based;
mod rules_first;
mod shrink;
mod template;

#[cfg(test)]
mod tests;

use async_trait::async_trait;

pub use self::{
    answer::AnswerFault,
    context::{
        AgentRecord, AgentState, DecisionSummary, ExecutionRecord, HistoryEntry,
        OrchestrationContext, Step,
    },
    llm_based::{LLMBasedStrategy, LLMStrategyConfig, MODEL_FAULT},
    model_call::{AuditModelCalls, ModelCall, ModelCallLog, ModelCallOutcome},
    prompt::PromptLimits,
    rule_based::{AsyncRule, RuleBasedStrategy, RuleFailure},
    rules_first::{RULES_PASSED, RulesFirstStrategy},
    template::{PromptTemplate, TemplateError, TemplateFault},
};
use super::decision::OrchestrationDecision;
use crate::llm::LlmError;

/// Decides what happens next in a run.
///
/// One strategy serves many runs at once. `decide` may be dropped when the run's deadline passes.
#[async_trait]
pub trait OrchestrationStrategy: Send + Sync {
    /// The decision for the situation that `context` shows.
    ///
    /// # Errors
    ///
    /// [`StrategyError`] when there is no decision. The run then ends with an error that carries what it has reached.
    async fn decide(
        &self,
        context: &OrchestrationContext,
    ) -> Result<OrchestrationDecision, StrategyError>;
}

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StrategyError {
    /// A rule could not say whether it fits.
    #[error("rule `{rule}` failed: {failure}")]
    Rule {
        /// Its name.
        rule: String,
        /// What it said.
        failure: RuleFailure,
    },
    /// The model could not be asked, and there is no other strategy to ask.
    #[error("the model gave no decision after {calls} calls: {source}")]
    Model {
        /// How often it was called.
        calls: u32,
        /// What the last call met.
        source: LlmError,
    },
    /// The call of a model could not be recorded, so its answer does not count.
    #[error("the call of a model could not be recorded: {reason}")]
    Unrecorded {
        /// What the log said.
        reason: String,
    },
    /// A configuration that cannot be meant.
    #[error("`{field}` is `{value}`: {rule}")]
    InvalidConfig {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it must hold.
        rule: &'static str,
    },
    /// A strategy of the host's own failed.
    #[error("the strategy failed: {0}")]
    Other(String),
}
