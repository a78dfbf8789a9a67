//! A tenant id is parsed, never converted.
use llmteam_security::TenantId;

fn main() {
    let _id: TenantId = "acme".into();
}
