//! Which handler runs which built-in type (K-01).

use std::sync::Arc;

use super::{
    HTTPActionHandler, HumanTaskHandler, LLMAgentHandler, ParallelJoinHandler,
    ParallelSplitHandler, StepHandler,
};

/// The handler of a built-in step type.
pub fn builtin(step_type: &str) -> Option<Arc<dyn StepHandler>> {
    Some(match step_type {
        "llm_agent" => Arc::new(LLMAgentHandler),
        "http_action" => Arc::new(HTTPActionHandler),
        "human_task" => Arc::new(HumanTaskHandler::default()),
        "parallel_split" => Arc::new(ParallelSplitHandler),
        "parallel_join" => Arc::new(ParallelJoinHandler),
        _ => return None,
    })
}
