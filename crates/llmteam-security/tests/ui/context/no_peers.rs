//! There is no level for peers: the match is complete, and the name is unknown.

use llmteam_security::context::VisibilityLevel;

fn width(level: VisibilityLevel) -> u8 {
    match level {
        VisibilityLevel::SelfOnly => 0,
        VisibilityLevel::Orchestrator => 1,
        VisibilityLevel::Hierarchy => 2,
    }
}

fn main() {
    width(VisibilityLevel::Peers);
}
