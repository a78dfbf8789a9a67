//! What an agent is handed has no method that takes another's name, and does not give the manager away.

use llmteam_orchestration::context::OwnContext;
use llmteam_security::AgentId;

fn peek(own: &OwnContext, sibling: &AgentId) {
    own.get_context(sibling);
    own.get_child_context(sibling);
    own.get_visible_children(sibling);
    own.get_data(sibling, "draft");
    own.shared;
}

fn main() {}
