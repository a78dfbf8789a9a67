//! A flaky service behind a limit and a circuit: what is retried, refused, and served instead.

use std::{cell::Cell, sync::Arc, time::Duration};

use llmteam_security::{
    SystemClock,
    ratelimit::{
        Call, CircuitBreakerConfig, ExecutorConfig, RateLimitConfig, RateLimitError,
        RateLimitedExecutor,
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RateLimitError> {
    let executor = RateLimitedExecutor::new(ExecutorConfig::default(), Arc::new(SystemClock))?;
    let limits = RateLimitConfig {
        retry_base_delay: Duration::from_millis(10),
        ..RateLimitConfig::default()
    };
    let circuit = CircuitBreakerConfig {
        failure_threshold: 3,
        ..CircuitBreakerConfig::egress()
    };
    executor.register("search", Some(limits), Some(circuit))?;

    let calls = Cell::new(0);
    let flaky = || {
        calls.set(calls.get() + 1);
        let nth = calls.get();
        async move {
            match nth {
                2 => Ok("three results"),
                _ => Err("connection reset"),
            }
        }
    };
    let retried = executor
        .execute("search", Call::new().idempotent(), flaky)
        .await;
    println!("after {} calls: {:?}", retried.attempts, retried.outcome);
    let failed = executor
        .execute("search", Call::new().idempotent(), flaky)
        .await;
    println!("after {} calls: {:?}", failed.attempts, failed.outcome);
    let instead = executor
        .execute(
            "search",
            Call::new().fallback(|| "what we found yesterday"),
            flaky,
        )
        .await;
    println!("without a call: {:?}", instead.outcome);
    println!("{:?}", executor.get_health_status());
    Ok(())
}
