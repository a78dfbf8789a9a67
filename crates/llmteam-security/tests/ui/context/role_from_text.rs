//! A text is no role.

use llmteam_security::{
    AgentId, TenantId,
    context::{Lineage, LineageError, OwnerToken},
};

fn admit(lineage: &Lineage, tenant: &TenantId, agent: &AgentId) -> Result<OwnerToken, LineageError> {
    lineage.add(tenant, agent, "system", None)
}

fn main() {}
