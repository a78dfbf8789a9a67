//! A tenant id cannot be made past the parser.
use llmteam_security::TenantId;

fn main() {
    let _id = TenantId("a:b".into());
}
