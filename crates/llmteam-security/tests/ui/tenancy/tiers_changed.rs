//! The table of tiers cannot be changed.
use llmteam_security::tenancy::{TenantTier, get_tier_limits};

fn main() {
    get_tier_limits(TenantTier::Free).features[0] = "*";
}
