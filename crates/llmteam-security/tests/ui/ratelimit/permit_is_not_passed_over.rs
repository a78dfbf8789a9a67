//! Neither an admission nor a refusal is passed over in silence.

#![deny(unused_must_use)]

use llmteam_security::ratelimit::RateLimiter;

async fn passed_over(limiter: &RateLimiter) {
    limiter.try_acquire();
    limiter.try_acquire().unwrap();
    limiter.acquire().await;
}

fn main() {}
