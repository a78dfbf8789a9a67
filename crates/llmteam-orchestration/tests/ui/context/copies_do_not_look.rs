//! A copy of a tree holds no secure context and no right to look.

use llmteam_orchestration::context::HierarchicalContext;

fn look(context: &HierarchicalContext) {
    let _ = context.secure_context;
    let _ = context.viewer();
}

fn main() {}
