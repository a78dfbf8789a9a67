//! What strategies promise: rules in order, models checked, rules before models.

mod answer;
mod llm_based;
mod rules;

use llmteam_security::AgentId;

use super::*;

pub(super) fn id(text: &str) -> AgentId {
    text.parse().unwrap()
}

pub(super) fn context(agents: &[&str]) -> OrchestrationContext {
    OrchestrationContext::new(Step::Start, agents.iter().map(|it| id(it)))
}
