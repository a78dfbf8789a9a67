//! What an owner is handed comes from the manager.

use llmteam_orchestration::context::OwnContext;

fn made_up(one: OwnContext) -> OwnContext {
    OwnContext { ..one }
}

fn main() {}
