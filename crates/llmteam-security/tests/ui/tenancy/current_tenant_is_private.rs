//! The current tenant cannot be set from outside.
use llmteam_security::tenancy::context::SCOPE;

fn main() {}
