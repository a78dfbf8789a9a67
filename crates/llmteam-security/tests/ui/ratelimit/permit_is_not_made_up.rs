//! Only a limiter makes permits, and nobody copies one.

use llmteam_security::ratelimit::RateLimitPermit;

fn made_up() -> RateLimitPermit {
    RateLimitPermit { _own: None, _above: None }
}

fn copied(permit: &RateLimitPermit) -> RateLimitPermit {
    permit.clone()
}

fn main() {}
