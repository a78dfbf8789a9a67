//! Who looks shows a viewer, not a name and a role.

use llmteam_orchestration::context::ContextManager;
use llmteam_security::AgentId;

async fn look(manager: &ContextManager, pipe: &AgentId) {
    let _ = manager.get_visible_children(pipe, pipe).await;
    let _ = manager.get_visible_children(pipe, "pipeline_orch").await;
}

fn main() {}
