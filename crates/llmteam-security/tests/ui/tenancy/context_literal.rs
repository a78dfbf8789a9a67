//! A checked context comes from the manager alone.
use llmteam_security::tenancy::{TenantConfig, TenantContext};

fn main() {
    let config = TenantConfig::new("acme".parse().unwrap(), "Acme");
    let _context = TenantContext::issued(config.into());
}
