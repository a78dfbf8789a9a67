//! A result is reported once.

use llmteam_security::ratelimit::CircuitBreaker;

fn report(breaker: &CircuitBreaker) {
    let permit = breaker.allow_request().unwrap();
    permit.record_success();
    permit.record_failure();
}

fn main() {}
