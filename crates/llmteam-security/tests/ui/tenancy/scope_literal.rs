//! A tenant's scope comes from a context.
use llmteam_security::tenancy::TenantScope;

fn main() {
    let _scope = TenantScope { tenant: "acme".parse().unwrap() };
}
