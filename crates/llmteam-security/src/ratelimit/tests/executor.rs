//! Executions: retries, refusals, fallbacks, deadlines, statistics and health.

use std::{cell::Cell, future::pending, sync::Arc, time::Duration};

use super::{SECOND, bucket, clock};
use crate::{
    Clock, ManualClock,
    ratelimit::{
        Call, CircuitBreakerConfig, CircuitState, ExecutionError, ExecutorConfig, Fault, NoJitter,
        RateLimitConfig, RateLimitError, RateLimitStrategy, RateLimitedExecutor, Served,
    },
};

type Plain = Call<'static, u32, &'static str>;

fn executor(clock: &ManualClock, config: ExecutorConfig) -> RateLimitedExecutor {
    let config = ExecutorConfig {
        jitter: Arc::new(NoJitter),
        ..config
    };
    RateLimitedExecutor::new(config, Arc::new(clock.clone())).unwrap()
}

/// One endpoint `a` with these limits.
fn with(
    clock: &ManualClock,
    rate: RateLimitConfig,
    circuit: Option<CircuitBreakerConfig>,
) -> RateLimitedExecutor {
    let executor = executor(clock, ExecutorConfig::default());
    executor.register("a", Some(rate), circuit).unwrap();
    executor
}

fn retries(retry_count: u32) -> RateLimitConfig {
    RateLimitConfig {
        retry_count,
        ..bucket(1e6, 1000, RateLimitStrategy::Wait)
    }
}

fn threshold(failure_threshold: u32) -> Option<CircuitBreakerConfig> {
    Some(CircuitBreakerConfig {
        failure_threshold,
        ..CircuitBreakerConfig::default()
    })
}

/// Runs `work` while the clock moves on.
async fn driven<T>(clock: &ManualClock, work: impl Future<Output = T>) -> T {
    let drive = async {
        loop {
            clock.advance(Duration::from_millis(100)).await;
        }
    };
    tokio::select! { biased; done = work => done, () = drive => unreachable!() }
}

// covers: RL-40
#[tokio::test]
async fn a_call_gives_its_value() {
    let executor = with(&clock(), retries(3), None);
    let result = executor
        .execute("a", Plain::new(), || async { Ok(7) })
        .await;
    assert!(result.success() && !result.used_fallback());
    assert_eq!((result.value(), result.attempts), (Some(&7), 1));
    assert_eq!(result.into_result(), Ok(7));
}

// covers: RL-21
#[tokio::test]
async fn a_function_with_arguments_gives_its_value() {
    let executor = with(&clock(), retries(0), None);
    let (a, b) = (20, 22);
    let result = executor.execute_sync("a", Plain::new(), || Ok(a + b)).await;
    assert_eq!(Result::from(result), Ok(42));
}

// covers: RL-14
#[tokio::test(start_paused = true)]
async fn an_idempotent_call_is_repeated_until_it_succeeds() {
    let clock = clock();
    let executor = with(&clock, retries(2), None);
    let calls = Cell::new(0);
    let work = || {
        calls.set(calls.get() + 1);
        let nth = calls.get();
        async move { if nth < 3 { Err("down") } else { Ok(nth) } }
    };
    let start = clock.now();
    let result = driven(
        &clock,
        executor.execute("a", Plain::new().idempotent(), work),
    )
    .await;
    assert_eq!((result.success(), result.attempts), (true, 3));
    let took = clock.now().since(start);
    assert!(
        (took.as_secs_f64() - 3.0).abs() < 0.2,
        "1 s and 2 s, not {took:?}"
    );
    assert_eq!(executor.get_stats("a").unwrap().total_retries, 2);
}

// covers: RL-14
#[tokio::test(start_paused = true)]
async fn a_call_that_always_fails_carries_its_own_error() {
    let clock = clock();
    let executor = with(&clock, retries(2), None);
    let failing = || async { Err("down") };
    let result = driven(
        &clock,
        executor.execute("a", Plain::new().idempotent(), failing),
    )
    .await;
    assert_eq!((result.success(), result.attempts), (false, 3));
    assert_eq!(result.error(), Some(&ExecutionError::Call("down")));
}

// covers: RL-14
#[tokio::test(start_paused = true)]
async fn what_is_not_safe_or_not_worth_repeating_is_called_once() {
    let clock = clock();
    let executor = with(&clock, retries(3), threshold(1));
    let once = executor
        .execute(
            "a",
            Plain::new().judge(|_| Fault::Caller).idempotent(),
            || async { Err("403") },
        )
        .await;
    assert_eq!(once.attempts, 1);
    assert_eq!(
        executor.get_health_status()["a"].circuit_state,
        Some(CircuitState::Closed),
        "its own fault"
    );
    let once = executor
        .execute("a", Plain::new(), || async { Err("reset") })
        .await;
    assert_eq!(once.attempts, 1);
    assert!(!executor.is_healthy("a"), "the service's fault");
    let unsent = with(&clock, retries(3), None);
    let call = Plain::new().judge(|_| Fault::Unsent);
    let again = driven(
        &clock,
        unsent.execute("a", call, || async { Err("refused") }),
    )
    .await;
    assert_eq!(again.attempts, 4);
}

// covers: RL-14, RL-41
#[tokio::test(start_paused = true)]
async fn everything_ends_by_its_deadline() {
    let clock = clock();
    let executor = with(&clock, retries(50), None);
    let call = Plain::new().idempotent().deadline(Duration::from_secs(10));
    let start = clock.now();
    let result = driven(
        &clock,
        executor.execute("a", call, || async { Err("down") }),
    )
    .await;
    assert_eq!(
        result.error(),
        Some(&ExecutionError::Call("down")),
        "the cause, not the deadline"
    );
    assert!(clock.now().since(start) <= Duration::from_secs(10));
    let call = Plain::new().deadline(SECOND);
    let result = driven(&clock, executor.execute("a", call, pending)).await;
    assert_eq!(
        (result.error(), result.attempts),
        (Some(&ExecutionError::TimedOut), 1)
    );
    assert!(result.total_time >= SECOND && result.total_time < Duration::from_millis(1100));
    let call = Plain::new()
        .idempotent()
        .attempt_timeout(SECOND)
        .deadline(Duration::from_secs(5));
    let result = driven(&clock, executor.execute("a", call, pending)).await;
    assert_eq!(result.error(), Some(&ExecutionError::TimedOut));
    assert!(result.attempts > 1);
}

// covers: RL-19, RL-42
#[tokio::test]
async fn a_fallback_is_served_for_a_refusal_and_says_so() {
    let executor = with(&clock(), bucket(1.0, 0, RateLimitStrategy::Fallback), None);
    let call = Plain::new().fallback(|| 9);
    let result = executor.execute("a", call, || async { Ok(1) }).await;
    assert!(result.success() && result.used_fallback());
    assert_eq!(result.outcome, Ok(Served::Fallback(9)));
    let bare = executor
        .execute("a", Plain::new(), || async { Ok(1) })
        .await;
    assert!(!bare.success() && bare.rate_limited() && bare.value().is_none());
    let failing = with(&clock(), retries(0), None);
    let call = Plain::new().fallback(|| 9);
    let result = failing.execute("a", call, || async { Err("down") }).await;
    assert_eq!(
        result.error(),
        Some(&ExecutionError::Call("down")),
        "a failure is not covered up"
    );
}

#[tokio::test]
async fn an_open_circuit_is_reported() {
    let executor = with(&clock(), retries(0), threshold(2));
    for _ in 0..2 {
        let result = executor
            .execute("a", Plain::new(), || async { Err("down") })
            .await;
        assert!(!result.circuit_open());
    }
    let third = executor
        .execute("a", Plain::new(), || async { Ok(1) })
        .await;
    assert!(third.circuit_open() && !third.success());
    assert_eq!(third.attempts, 0);
    assert_eq!(
        executor
            .get_stats("a")
            .unwrap()
            .rate_limiter
            .successful_requests,
        2,
        "it cost no budget"
    );
}

// covers: RL-15
#[tokio::test(start_paused = true)]
async fn only_the_service_feeds_the_breaker_and_its_last_failure_is_kept() {
    let clock = clock();
    let reject = RateLimitConfig {
        retry_count: 0,
        ..bucket(0.001, 1, RateLimitStrategy::Reject)
    };
    let executor = with(&clock, reject, threshold(1));
    for _ in 0..5 {
        let _ = executor
            .execute("a", Plain::new(), || async { Ok(1) })
            .await;
    }
    let stats = executor.get_stats("a").unwrap();
    assert_eq!(stats.circuit_breaker.unwrap().failed_requests, 0);
    assert_eq!(
        executor.get_health_status()["a"].circuit_state,
        Some(CircuitState::Closed)
    );

    let executor = with(&clock, retries(3), threshold(2));
    let failing = || async { Err("down") };
    let result = driven(
        &clock,
        executor.execute("a", Plain::new().idempotent(), failing),
    )
    .await;
    assert!(result.circuit_open());
    assert!(matches!(
        result.error(),
        Some(ExecutionError::Refused {
            last: Some("down"),
            ..
        })
    ));
    assert!(
        result
            .error()
            .unwrap()
            .to_string()
            .ends_with("the call before failed: down")
    );
}

// covers: RL-16
#[tokio::test]
async fn each_execution_is_counted_once_and_the_parts_add_up() {
    let executor = with(&clock(), bucket(0.001, 2, RateLimitStrategy::Reject), None);
    let ok = || async { Ok(1) };
    let _ = executor.execute("a", Plain::new(), ok).await;
    let _ = executor
        .execute("a", Plain::new(), || async { Err("down") })
        .await;
    let _ = executor.execute("a", Plain::new(), ok).await;
    let _ = executor.execute("a", Plain::new().fallback(|| 2), ok).await;
    let stats = executor.get_stats("a").unwrap();
    assert_eq!(
        (stats.successful_executions, stats.failed_executions),
        (1, 1)
    );
    assert_eq!(
        (stats.rejected_executions, stats.fallback_executions),
        (1, 1)
    );
    assert_eq!(stats.total_executions, 4);
    assert_eq!(
        (
            stats.rate_limiter.successful_requests,
            stats.rate_limiter.rejected_requests
        ),
        (2, 2)
    );
    assert_eq!(executor.get_all_stats()["a"], stats);
    executor.reset_stats(Some("a"));
    assert_eq!(executor.get_stats("a"), Some(Default::default()));
    assert_eq!(executor.get_stats("b"), None);
    executor.reset_stats(None);
}

// covers: RL-43
#[tokio::test(start_paused = true)]
async fn health_lists_every_endpoint_as_it_is_now() {
    let clock = clock();
    let executor = with(
        &clock,
        bucket(1.0, 1, RateLimitStrategy::Reject),
        threshold(1),
    );
    executor.register("b", None, None).unwrap();
    let health = executor.get_health_status();
    assert_eq!(health.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(health["b"].healthy && health["b"].circuit_state.is_none());
    let _ = executor
        .execute("a", Plain::new(), || async { Ok(1) })
        .await;
    assert!(executor.get_health_status()["a"].rate_limited && !executor.is_healthy("a"));
    clock.advance(SECOND).await;
    assert!(executor.is_healthy("a") && executor.is_healthy("unknown"));
}

// covers: RL-18
#[tokio::test]
async fn a_name_that_is_not_registered_has_the_default_limits_or_none_at_all() {
    let clock = clock();
    let limited = ExecutorConfig {
        default_rate: bucket(1.0 / 60.0, 1, RateLimitStrategy::Reject),
        max_endpoints: 3,
        ..ExecutorConfig::default()
    };
    let executor = executor_of(&clock, limited.clone());
    let mut admitted = 0;
    for _ in 0..500 {
        let result = executor
            .execute("x", Plain::new(), || async { Ok(1) })
            .await;
        admitted += u32::from(result.success());
    }
    assert_eq!(admitted, 1);
    for name in ["y", "z", "one too many"] {
        let _ = executor
            .execute(name, Plain::new(), || async { Ok(1) })
            .await;
    }
    assert_eq!(executor.get_health_status().len(), 3);
    let surplus = executor
        .execute("one too many", Plain::new(), || async { Ok(1) })
        .await;
    assert!(
        surplus
            .to_string_of_error()
            .contains("one endpoint too many")
    );
    let strict = executor_of(
        &clock,
        ExecutorConfig {
            strict: true,
            ..limited
        },
    );
    let unknown = strict.execute("x", Plain::new(), || async { Ok(1) }).await;
    assert!(
        unknown
            .to_string_of_error()
            .contains("`x` is not registered")
    );
}

use executor as executor_of;

trait ErrorText {
    fn to_string_of_error(&self) -> String;
}

impl ErrorText for crate::ratelimit::ExecutionResult<u32, &'static str> {
    fn to_string_of_error(&self) -> String {
        self.error().map(ToString::to_string).unwrap_or_default()
    }
}

// covers: RL-22
#[tokio::test]
async fn a_name_is_registered_once() {
    let executor = with(&clock(), retries(0), threshold(1));
    let name = "a".into();
    assert_eq!(
        executor.register("a", None, None),
        Err(RateLimitError::AlreadyRegistered { name })
    );
    assert!(executor.unregister("a") && !executor.unregister("a"));
    executor.register("a", None, None).unwrap();
    assert_eq!(
        executor.get_health_status()["a"].circuit_state,
        None,
        "nothing is left of the old one"
    );
    assert!(executor.register("", None, None).is_err());
}

// covers: RL-08, RL-09
#[tokio::test(start_paused = true)]
async fn a_dropped_execution_gives_everything_back() {
    let clock = clock();
    let rate = RateLimitConfig {
        max_concurrent: Some(1),
        ..retries(0)
    };
    let circuit = CircuitBreakerConfig {
        half_open_max_requests: 1,
        success_threshold: 1,
        ..threshold(1).unwrap()
    };
    let open = circuit.open_timeout;
    let executor = Arc::new(with(&clock, rate, Some(circuit)));
    let _ = executor
        .execute("a", Plain::new(), || async { Err("down") })
        .await;
    clock.advance(open).await;
    for _ in 0..10 {
        let task = tokio::spawn({
            let executor = Arc::clone(&executor);
            async move { executor.execute("a", Plain::new(), pending).await.success() }
        });
        clock.settle().await;
        task.abort();
        clock.settle().await;
    }
    let healed = executor
        .execute("a", Plain::new(), || async { Ok(1) })
        .await;
    assert!(healed.success() && executor.is_healthy("a"));
}
