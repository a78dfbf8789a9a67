//! A slot comes free once.

use llmteam_security::ratelimit::RateLimiter;

fn release(limiter: &RateLimiter) {
    let permit = limiter.try_acquire().unwrap();
    permit.release();
    permit.release();
}

fn main() {}
