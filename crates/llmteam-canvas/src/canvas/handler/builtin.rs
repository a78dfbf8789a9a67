//! Which handler runs which built-in type (K-01).

use std::sync::Arc;

use super::{
    ConditionHandler, HTTPActionHandler, HumanTaskHandler, LLMAgentHandler, ParallelJoinHandler,
    ParallelSplitHandler, StepHandler, TransformHandler,
};

/// The handler of a built-in step type.
pub fn builtin(step_type: &str) -> Option<Arc<dyn StepHandler>> {
    Some(match step_type {
        "llm_agent" => Arc::new(LLMAgentHandler),
        "http_action" => Arc::new(HTTPActionHandler),
        "human_task" => Arc::new(HumanTaskHandler::default()),
        "condition" => Arc::new(ConditionHandler),
        "parallel_split" => Arc::new(ParallelSplitHandler),
        "parallel_join" => Arc::new(ParallelJoinHandler),
        "transform" => Arc::new(TransformHandler),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::catalog::StepCatalog;

    // covers: K-01
    #[test]
    fn every_built_in_type_has_a_handler_and_no_other_has() {
        for id in StepCatalog::with_builtins().list_type_ids() {
            assert!(builtin(&id).is_some(), "{id}");
        }
        assert!(builtin("custom_work").is_none());
    }
}
