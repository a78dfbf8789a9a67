//! States, permits, rules and statistics of one breaker.

use std::{sync::Arc, time::Duration};

use super::{SECOND, clock};
use crate::{
    Clock, ManualClock,
    ratelimit::{
        CircuitBreaker, CircuitBreakerConfig, CircuitPermit, CircuitState, RateLimitError,
    },
};

fn breaker(config: CircuitBreakerConfig, clock: &ManualClock) -> Arc<CircuitBreaker> {
    Arc::new(CircuitBreaker::new("search", config, Arc::new(clock.clone())).unwrap())
}

fn threshold(failure_threshold: u32) -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        failure_threshold,
        ..CircuitBreakerConfig::default()
    }
}

fn open(retry_after: Duration) -> RateLimitError {
    RateLimitError::CircuitOpen {
        name: "search".into(),
        retry_after: Some(retry_after),
    }
}

fn fail(breaker: &CircuitBreaker, times: usize) {
    for _ in 0..times {
        breaker.allow_request().unwrap().record_failure();
    }
}

fn succeed(breaker: &CircuitBreaker, times: usize) {
    for _ in 0..times {
        breaker.allow_request().unwrap().record_success();
    }
}

// covers: RL-33
#[test]
fn failures_in_a_row_open_a_new_breaker() {
    let breaker = breaker(threshold(3), &clock());
    assert!(breaker.is_closed());
    fail(&breaker, 2);
    assert!(breaker.is_closed());
    fail(&breaker, 1);
    assert!(breaker.is_open());
    assert_eq!(
        breaker.allow_request().unwrap_err(),
        open(Duration::from_secs(30))
    );
    assert_eq!(breaker.get_retry_after(), Some(Duration::from_secs(30)));
}

#[test]
fn a_success_breaks_a_row_of_failures() {
    let breaker = breaker(threshold(3), &clock());
    fail(&breaker, 2);
    succeed(&breaker, 1);
    fail(&breaker, 2);
    assert!(breaker.is_closed());
    fail(&breaker, 1);
    assert!(breaker.is_open());
}

// covers: RL-34
#[tokio::test(start_paused = true)]
async fn an_open_circuit_probes_and_closes() {
    let clock = clock();
    let config = CircuitBreakerConfig {
        success_threshold: 1,
        ..threshold(3)
    };
    let breaker = breaker(config, &clock);
    fail(&breaker, 3);
    clock
        .advance(Duration::from_secs(30) - Duration::from_micros(1))
        .await;
    assert!(breaker.is_open() && breaker.allow_request().is_err());
    clock.advance(Duration::from_micros(1)).await;
    let probe = breaker.allow_request().unwrap();
    assert!(breaker.is_half_open());
    assert_eq!(breaker.get_retry_after(), None);
    probe.record_success();
    assert!(breaker.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_failing_probe_opens_the_circuit_again() {
    let clock = clock();
    let breaker = breaker(threshold(3), &clock);
    fail(&breaker, 3);
    clock.advance(Duration::from_secs(30)).await;
    fail(&breaker, 1);
    assert!(breaker.is_open());
    assert_eq!(breaker.get_retry_after(), Some(Duration::from_secs(30)));
}

// covers: RL-12
#[test]
fn a_share_of_failures_opens_without_a_row() {
    let breaker = breaker(CircuitBreakerConfig::default(), &clock());
    // Four of five fail, never five in a row.
    let mut calls = 0;
    while breaker.is_closed() {
        calls += 1;
        let permit = breaker.allow_request().unwrap();
        match calls % 5 {
            0 => permit.record_success(),
            _ => permit.record_failure(),
        }
        assert!(calls < 1000, "80 % failures have to open it");
    }
    assert_eq!(calls, 11, "ten results, and then the next failure decides");
}

#[tokio::test(start_paused = true)]
async fn old_results_leave_the_window() {
    let clock = clock();
    let breaker = breaker(CircuitBreakerConfig::default(), &clock);
    for _ in 0..4 {
        fail(&breaker, 1);
        succeed(&breaker, 1);
    }
    clock.advance(Duration::from_secs(61)).await;
    // Of the last ten results five failed, but only these two are known to be of the last minute.
    fail(&breaker, 1);
    succeed(&breaker, 1);
    assert!(breaker.is_closed());
}

fn half_open(config: &CircuitBreakerConfig, breaker: &CircuitBreaker) -> Duration {
    breaker.force_open();
    config.open_timeout
}

// covers: RL-09
#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_still_reaches_two_successes() {
    let clock = clock();
    let config = CircuitBreakerConfig {
        half_open_max_requests: 1,
        success_threshold: 2,
        ..CircuitBreakerConfig::default()
    };
    let breaker = breaker(config.clone(), &clock);
    clock.advance(half_open(&config, &breaker)).await;
    let probe = breaker.allow_request().unwrap();
    assert_eq!(
        breaker.allow_request().unwrap_err(),
        open(SECOND),
        "one under way, no more"
    );
    probe.record_success();
    assert!(breaker.is_half_open());
    succeed(&breaker, 1);
    assert!(breaker.is_closed());
}

// covers: RL-09
#[tokio::test(start_paused = true)]
async fn dropped_and_hung_probes_never_hold_the_circuit() {
    let clock = clock();
    let config = CircuitBreakerConfig {
        half_open_max_requests: 2,
        open_timeout: SECOND,
        max_open_timeout: Duration::from_secs(4),
        probe_lease: Duration::from_secs(3),
        ..CircuitBreakerConfig::default()
    };
    let breaker = breaker(config.clone(), &clock);
    clock.advance(half_open(&config, &breaker)).await;
    for _ in 0..1000 {
        drop(breaker.allow_request().unwrap());
    }
    assert!(breaker.is_half_open(), "a dropped permit counts as neither");
    let mut hung: Vec<CircuitPermit<_>> = Vec::new();
    while hung.len() < 1000 {
        while let Ok(probe) = breaker.allow_request_owned() {
            hung.push(probe);
        }
        assert!(breaker.is_half_open());
        clock.advance(config.probe_lease).await;
        assert!(breaker.is_open(), "a lease that ran out is a failure");
        clock.advance(config.max_open_timeout).await;
    }
    // Their results come too late to matter.
    let opened = breaker.get_stats().state_changes;
    hung.into_iter().for_each(CircuitPermit::record_failure);
    assert!(breaker.is_half_open());
    succeed(&breaker, 2);
    assert!(breaker.is_closed());
    assert_eq!(breaker.get_stats().state_changes, opened + 1);
    assert_eq!(breaker.get_stats().failed_requests, 1000);
}

// covers: RL-10
#[tokio::test(start_paused = true)]
async fn results_of_older_epochs_are_statistics_only() {
    let clock = clock();
    let config = threshold(1);
    let breaker = breaker(config.clone(), &clock);
    let slow: Vec<_> = (0..4)
        .map(|_| breaker.allow_request_owned().unwrap())
        .collect();
    let mut slow = slow.into_iter();
    fail(&breaker, 1);
    clock.advance(config.open_timeout).await;
    let probe = breaker.allow_request().unwrap();
    slow.next().unwrap().record_success();
    slow.next().unwrap().record_success();
    assert!(
        breaker.is_half_open(),
        "two successes of closed times close nothing"
    );
    slow.next().unwrap().record_failure();
    assert!(breaker.is_half_open(), "nor does a failure open");
    probe.record_success();
    succeed(&breaker, 1);
    assert!(breaker.is_closed());
    slow.next().unwrap().record_failure();
    assert!(breaker.is_closed());
    let stats = breaker.get_stats();
    assert_eq!((stats.successful_requests, stats.failed_requests), (4, 3));
}

// covers: RL-11
#[tokio::test(start_paused = true)]
async fn history_does_not_survive_recovery() {
    let clock = clock();
    let config = CircuitBreakerConfig::default();
    let breaker = breaker(config.clone(), &clock);
    fail(&breaker, 5);
    clock.advance(config.open_timeout).await;
    succeed(&breaker, 2);
    fail(&breaker, 4);
    assert!(breaker.is_closed());
    breaker.force_close();
    fail(&breaker, 4);
    assert!(breaker.is_closed());
    fail(&breaker, 1);
    assert!(breaker.is_open());
    breaker.reset();
    assert_eq!(breaker.get_stats(), Default::default());
    fail(&breaker, 4);
    assert!(breaker.is_closed());
}

// covers: RL-35
#[tokio::test(start_paused = true)]
async fn the_open_time_grows_to_its_maximum_and_starts_over() {
    let clock = clock();
    let breaker = breaker(CircuitBreakerConfig::egress(), &clock);
    let mut seconds = Vec::new();
    fail(&breaker, 20);
    for _ in 0..9 {
        let open = breaker.get_retry_after().unwrap();
        seconds.push(open.as_secs());
        clock.advance(open).await;
        fail(&breaker, 1);
    }
    assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    clock.advance(Duration::from_secs(300)).await;
    succeed(&breaker, 2);
    assert!(breaker.is_closed());
    fail(&breaker, 20);
    assert_eq!(breaker.get_retry_after(), Some(Duration::from_secs(5)));
}

// covers: RL-36
#[tokio::test(start_paused = true)]
async fn slow_calls_count_like_failures_in_the_share() {
    let clock = clock();
    let breaker = breaker(CircuitBreakerConfig::egress(), &clock);
    let call = async |seconds: u64| {
        let permit = breaker.allow_request().unwrap();
        clock.advance(Duration::from_secs(seconds)).await;
        permit.record_success();
    };
    succeed(&breaker, 10);
    let slow: Vec<_> = (0..10)
        .map(|_| breaker.allow_request_owned().unwrap())
        .collect();
    call(29).await;
    assert_eq!(breaker.get_stats().slow_requests, 0);
    clock.advance(SECOND).await;
    for permit in slow {
        assert!(breaker.is_closed());
        permit.record_success();
    }
    assert!(breaker.is_closed(), "10 of 21");
    let permit = breaker.allow_request().unwrap();
    clock.advance(Duration::from_secs(30)).await;
    permit.record_success();
    assert!(breaker.is_open(), "11 of 22");
    let stats = breaker.get_stats();
    assert_eq!(
        (
            stats.successful_requests,
            stats.slow_requests,
            stats.failed_requests
        ),
        (22, 11, 0)
    );
}

// covers: RL-37
#[tokio::test(start_paused = true)]
async fn statistics_are_true_without_a_call() {
    let clock = clock();
    let breaker = breaker(threshold(1), &clock);
    succeed(&breaker, 3);
    let failed_at = clock.now();
    fail(&breaker, 1);
    drop(breaker.allow_request().unwrap_err());
    clock.advance(Duration::from_secs(7)).await;
    assert_eq!(breaker.get_state_duration(), Duration::from_secs(7));
    let stats = breaker.get_stats();
    assert_eq!(stats.time_in_open, Duration::from_secs(7));
    assert_eq!(stats.last_failure_time, Some(failed_at));
    assert_eq!((stats.total_requests, stats.rejected_requests), (5, 1));
    assert_eq!(stats.failure_rate(), 0.25);
    breaker.reset_stats();
    clock.advance(Duration::from_secs(30)).await;
    assert_eq!(
        breaker.state(),
        CircuitState::HalfOpen,
        "without anybody asking to call"
    );
    let stats = breaker.get_stats();
    assert_eq!(
        stats.time_in_open,
        Duration::from_secs(23),
        "only since the reset"
    );
    drop(breaker.allow_request().unwrap());
    let stats = breaker.get_stats();
    assert_eq!(
        (
            stats.total_requests,
            stats.abandoned_requests,
            stats.state_changes
        ),
        (1, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn it_can_be_forced_either_way() {
    let clock = clock();
    let config = CircuitBreakerConfig::default();
    let breaker = breaker(config.clone(), &clock);
    breaker.force_open();
    assert_eq!(
        breaker.allow_request().unwrap_err(),
        open(config.open_timeout)
    );
    breaker.force_close();
    succeed(&breaker, 1);
    breaker.force_open();
    clock.advance(config.open_timeout).await;
    succeed(&breaker, 2);
    assert!(breaker.is_closed());
    assert!(format!("{breaker:?}").contains("Closed"));
}

#[test]
fn threads_lose_no_success() {
    let breaker = breaker(CircuitBreakerConfig::default(), &clock());
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| succeed(&breaker, 10_000));
        }
    });
    assert_eq!(breaker.get_stats().successful_requests, 80_000);
}
