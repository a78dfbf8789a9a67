//! An instance's scope is made from its tenant's.
use llmteam_security::{InstanceId, tenancy::InstanceScope};

fn main() {
    let instance: InstanceId = "run_1".parse().unwrap();
    let _scope = InstanceScope::new(instance);
}
