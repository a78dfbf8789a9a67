//! What an owner is handed is not copied.

use llmteam_orchestration::context::OwnContext;

fn twice(own: &OwnContext) -> OwnContext {
    own.clone()
}

fn main() {}
