//! Entering a context uses it up.
use llmteam_security::tenancy::TenantContext;

fn main() {
    let context = TenantContext::for_host("acme".parse().unwrap());
    let _first = context.enter();
    let _second = context.enter();
}
