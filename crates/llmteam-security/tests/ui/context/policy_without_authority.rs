//! A policy is changed by the owner or the direct orchestrator, who say so.

use llmteam_security::context::{SecureAgentContext, SensitivityLevel};

async fn open(context: &mut SecureAgentContext) {
    context.policy.sensitivity = SensitivityLevel::Public;
    let _ = context.set_sensitivity(SensitivityLevel::Public).await;
}

fn main() {}
