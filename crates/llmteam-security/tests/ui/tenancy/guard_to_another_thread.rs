//! A guard cannot be carried to another thread.
use llmteam_security::tenancy::TenantContext;

fn main() {
    let guard = TenantContext::for_host("acme".parse().unwrap()).enter().unwrap();
    std::thread::spawn(move || drop(guard));
}
