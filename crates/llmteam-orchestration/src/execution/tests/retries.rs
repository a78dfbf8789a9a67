//! Other attempts, and what is not tried again.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::roles::AgentErrorKind;

/// Fails so often before it succeeds, and counts its calls.
fn flaky(failures: u32, error: &AgentError) -> (Arc<dyn Agent>, Arc<AtomicU32>) {
    let (calls, error) = (Arc::new(AtomicU32::new(0)), error.clone());
    let agent = acting("flaky", {
        let calls = Arc::clone(&calls);
        move || {
            let done = calls.fetch_add(1, Ordering::Relaxed) >= failures;
            let outcome = if done {
                Ok(said("flaky"))
            } else {
                Err(error.clone())
            };
            async move { outcome }
        }
    });
    (agent, calls)
}

// covers: E2
#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_is_followed_by_another_after_the_delay() {
    let clock = clock();
    let (agent, calls) = flaky(2, &AgentError::transient("busy"));
    let executor = executor(&clock, ExecutorConfig::default());
    let results = driven(&clock, executor.execute([agent], &Fields::new())).await;
    assert!(results[0].success());
    assert_eq!((results[0].retries, calls.load(Ordering::Relaxed)), (2, 3));
    assert_eq!(results[0].duration, ms(2000), "two pauses of a second");
    assert_eq!(executor.get_stats().total_retries, 2);
    assert_eq!(executor.get_stats().total_tasks, 1);
}

// covers: E2
#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_the_last_error_is_kept() {
    let clock = clock();
    let (agent, calls) = flaky(u32::MAX, &AgentError::transient("busy"));
    let results = execute(&clock, ExecutorConfig::default(), vec![agent]).await;
    assert_eq!(results[0].error().unwrap().message(), "busy");
    assert_eq!((results[0].retries, calls.load(Ordering::Relaxed)), (3, 4));
}

// covers: E2
#[tokio::test(start_paused = true)]
async fn what_another_attempt_cannot_change_is_not_tried_again() {
    for kind in [AgentErrorKind::Permanent, AgentErrorKind::Cancelled] {
        let clock = clock();
        let (agent, calls) = flaky(u32::MAX, &AgentError::new(kind, "no such table"));
        let results = execute(&clock, ExecutorConfig::default(), vec![agent]).await;
        assert_eq!((results[0].retries, calls.load(Ordering::Relaxed)), (0, 1));
        assert_eq!(results[0].error().unwrap().message(), "no such table");
    }
}

// covers: E2
#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_whole_time() {
    let clock = clock();
    let calls = Arc::new(AtomicU32::new(0));
    let agent = {
        let (clock, calls) = (clock.clone(), Arc::clone(&calls));
        acting("warming up", move || {
            let (clock, first) = (clock.clone(), calls.fetch_add(1, Ordering::Relaxed) == 0);
            async move {
                nap(&clock, if first { 60 } else { 40 }).await;
                Ok(Fields::new())
            }
        })
    };
    let config = ExecutorConfig {
        task_timeout: ms(50),
        retry_delay: ms(5),
        ..ExecutorConfig::default()
    };
    let results = execute(&clock, config, vec![agent]).await;
    assert!(results[0].success());
    assert_eq!((results[0].retries, results[0].duration), (1, ms(95)));
}

#[tokio::test(start_paused = true)]
async fn without_a_delay_the_next_attempt_follows_at_once() {
    let clock = clock();
    let (agent, _) = flaky(100, &AgentError::transient("busy"));
    let config = ExecutorConfig {
        max_retries: 100,
        retry_delay: Duration::ZERO,
        ..ExecutorConfig::default()
    };
    let results = execute(&clock, config, vec![agent, good("b")]).await;
    assert!(results[0].success());
    assert_eq!(
        (results[0].retries, results[0].duration),
        (100, Duration::ZERO)
    );
}
