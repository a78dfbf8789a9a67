//! An orchestrator's viewer comes from the lineage that admitted it, not from its name.

use llmteam_security::{
    AgentId, TenantId,
    context::{Viewer, ViewerRole},
};

fn look(tenant: TenantId, orchestrator: AgentId) -> Viewer {
    Viewer::new(tenant, orchestrator, ViewerRole::PipelineOrch)
}

fn main() {}
