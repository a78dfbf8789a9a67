//! The right to act for the installation is not copied.
use llmteam_security::tenancy::AdminCapability;

fn copy(admin: &AdminCapability) -> AdminCapability {
    admin.clone()
}

fn main() {}
