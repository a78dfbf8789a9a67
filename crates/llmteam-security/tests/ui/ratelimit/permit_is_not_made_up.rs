//! Only a limiter makes permits.

use llmteam_security::ratelimit::RateLimitPermit;

fn made_up() -> RateLimitPermit {
    RateLimitPermit { _own: None, _above: None }
}

fn main() {}
