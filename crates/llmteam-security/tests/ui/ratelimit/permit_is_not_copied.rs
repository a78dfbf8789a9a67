//! Nobody copies a permit.

use llmteam_security::ratelimit::RateLimitPermit;

fn copied(permit: &RateLimitPermit) -> RateLimitPermit {
    permit.clone()
}

fn main() {}
