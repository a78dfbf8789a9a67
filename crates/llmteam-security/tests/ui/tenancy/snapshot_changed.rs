//! What was read of a tenant cannot be changed in place.
use llmteam_security::tenancy::{Tenant, TenantTier};

fn upgrade(tenant: &mut Tenant) {
    tenant.config.tier = TenantTier::Enterprise;
}

fn main() {}
