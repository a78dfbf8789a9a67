//! A context has no serialised form but the encrypted one, and no copy.

use llmteam_security::context::SecureAgentContext;

fn dumped(context: &SecureAgentContext) -> String {
    serde_json::to_string(context).unwrap()
}

fn copied(context: &SecureAgentContext) -> SecureAgentContext {
    Clone::clone(context)
}

fn main() {}
