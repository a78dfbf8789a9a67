//! Strategies, permits, waiting and statistics of one limiter.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{SECOND, bucket, clock, limiter};
use crate::{
    Clock, Timestamp,
    ratelimit::{RateLimitConfig, RateLimitError, RateLimitStrategy},
};

fn exceeded(retry_after: Option<Duration>) -> RateLimitError {
    RateLimitError::RateLimitExceeded {
        name: "search".into(),
        retry_after,
    }
}

fn capped(most: u32, strategy: RateLimitStrategy) -> RateLimitConfig {
    RateLimitConfig {
        max_concurrent: Some(most),
        ..bucket(1000.0, 1000, strategy)
    }
}

// covers: RL-32
#[tokio::test]
async fn a_request_within_the_burst_is_admitted_and_released() {
    let limiter = limiter(RateLimitConfig::default(), &clock());
    limiter.acquire().await.unwrap().release();
    {
        let _permit = limiter.acquire().await.unwrap();
    }
    let stats = limiter.get_stats();
    assert_eq!((stats.total_requests, stats.successful_requests), (2, 2));
    limiter.reset_stats();
    assert_eq!(limiter.get_stats().total_requests, 0);
}

#[tokio::test]
async fn reject_refuses_what_is_over_the_burst_and_says_when() {
    let clock = clock();
    let two = limiter(bucket(100.0, 2, RateLimitStrategy::Reject), &clock);
    let held = (two.acquire().await.unwrap(), two.acquire().await.unwrap());
    assert_eq!(
        two.acquire().await.unwrap_err(),
        exceeded(Some(Duration::from_millis(10)))
    );
    drop(held);
    let one = limiter(bucket(1.0, 1, RateLimitStrategy::Reject), &clock);
    one.acquire().await.unwrap().release();
    assert_eq!(one.try_acquire().unwrap_err().retry_after(), Some(SECOND));
    assert_eq!(one.get_retry_after(), Some(SECOND));
    assert_eq!(one.get_stats().rejection_rate(), 0.5);
}

// covers: RL-17
#[tokio::test(start_paused = true)]
async fn queries_are_true_without_a_request() {
    let clock = clock();
    let one = limiter(bucket(1.0, 1, RateLimitStrategy::Reject), &clock);
    one.try_acquire().unwrap().release();
    assert!(one.is_limited() && one.available_tokens() == 0);
    clock.advance(SECOND).await;
    assert!(!one.is_limited() && one.available_tokens() == 1);
    assert_eq!(one.get_retry_after(), Some(Duration::ZERO));
}

/// So many requests at once; when each was admitted, in seconds, or how it was refused.
async fn ask(
    limiter: &Arc<crate::ratelimit::RateLimiter>,
    clock: &crate::ManualClock,
    times: usize,
    pass: Duration,
) -> (Vec<f64>, Vec<RateLimitError>) {
    let start = clock.now();
    let mut tasks = JoinSet::new();
    for _ in 0..times {
        let (limiter, clock) = (Arc::clone(limiter), clock.clone());
        tasks.spawn(async move {
            let permit = limiter.acquire().await;
            permit.map(|permit| {
                permit.release();
                clock.now()
            })
        });
    }
    clock.advance(pass).await;
    let (mut admitted, mut refused) = (Vec::new(), Vec::new());
    for outcome in tasks.join_all().await {
        match outcome {
            Ok(at) => admitted.push(at.since(start).as_secs_f64()),
            Err(error) => refused.push(error),
        }
    }
    admitted.sort_by(f64::total_cmp);
    (admitted, refused)
}

// covers: RL-01, RL-02, RL-05
#[tokio::test(start_paused = true)]
async fn who_waits_is_charged_and_comes_at_the_rate() {
    for strategy in [RateLimitStrategy::Wait, RateLimitStrategy::Queue] {
        let clock = clock();
        let limiter = limiter(bucket(10.0, 1, strategy), &clock);
        let (admitted, refused) = ask(&limiter, &clock, 40, Duration::from_secs(10)).await;
        assert_eq!((admitted.len(), refused.len()), (40, 0));
        for (nth, at) in admitted.iter().enumerate() {
            assert!(
                (at - nth as f64 / 10.0).abs() < 1e-6,
                "request {nth} at {at} s"
            );
        }
        let stats = limiter.get_stats();
        assert_eq!((stats.successful_requests, stats.queued_requests), (40, 39));
        assert_eq!(
            stats.total_wait_time,
            Duration::from_millis(39 * 40 / 2 * 100)
        );
    }
}

// covers: RL-03
#[tokio::test(start_paused = true)]
async fn a_minute_holds_under_every_strategy() {
    for strategy in [
        RateLimitStrategy::Wait,
        RateLimitStrategy::Queue,
        RateLimitStrategy::Reject,
        RateLimitStrategy::Fallback,
    ] {
        let clock = clock();
        let config = RateLimitConfig {
            requests_per_minute: 5.0,
            max_wait: Duration::from_secs(50),
            ..bucket(1000.0, 1000, strategy)
        };
        let limiter = limiter(config, &clock);
        let (admitted, refused) = ask(&limiter, &clock, 100, Duration::from_secs(50)).await;
        assert_eq!((admitted.len(), refused.len()), (5, 95), "{strategy:?}");
        assert!(limiter.is_limited());
        assert_eq!(
            limiter.get_retry_after(),
            Some(Duration::from_secs(61 - 50))
        );
    }
}

#[tokio::test]
async fn a_wait_that_cannot_be_enough_is_refused_at_once() {
    let limiter = limiter(
        RateLimitConfig {
            max_wait: SECOND,
            ..bucket(0.1, 1, RateLimitStrategy::Wait)
        },
        &clock(),
    );
    limiter.acquire().await.unwrap().release();
    assert_eq!(
        limiter.acquire().await.unwrap_err(),
        exceeded(Some(Duration::from_secs(10)))
    );
}

// covers: RL-04
#[tokio::test(start_paused = true)]
async fn concurrency_never_exceeds_its_cap() {
    for strategy in [RateLimitStrategy::Wait, RateLimitStrategy::Queue] {
        let clock = clock();
        let limiter = limiter(capped(3, strategy), &clock);
        let (under_way, most) = (
            Arc::new(std::sync::atomic::AtomicU32::new(0)),
            Arc::new(std::sync::atomic::AtomicU32::new(0)),
        );
        let mut tasks = JoinSet::new();
        for _ in 0..30 {
            let (limiter, clock) = (Arc::clone(&limiter), clock.clone());
            let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&most));
            tasks.spawn(async move {
                use std::sync::atomic::Ordering::SeqCst;
                let _permit = limiter.acquire().await.unwrap();
                most.fetch_max(under_way.fetch_add(1, SeqCst) + 1, SeqCst);
                let rest = clock.now().saturating_add(SECOND);
                clock.sleep_until(rest, crate::Wake::Work).await;
                under_way.fetch_sub(1, SeqCst);
            });
        }
        clock.advance(Duration::from_millis(2500)).await;
        let stats = limiter.get_stats();
        assert_eq!(
            (stats.in_flight, stats.current_queue_size),
            (Some(3), 30 - 9)
        );
        clock.advance(Duration::from_secs(20)).await;
        tasks.join_all().await;
        assert_eq!(most.load(std::sync::atomic::Ordering::SeqCst), 3);
        assert_eq!(limiter.get_stats().in_flight, Some(0));
    }
}

// covers: RL-05
#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_first_come_first_served_and_truthful() {
    let clock = clock();
    let config = RateLimitConfig {
        queue_size: 3,
        ..bucket(1.0, 1, RateLimitStrategy::Queue)
    };
    let limiter = limiter(config, &clock);
    limiter.acquire().await.unwrap().release();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for nth in 0..4 {
        let (limiter, served) = (Arc::clone(&limiter), Arc::clone(&served));
        tasks.spawn(async move {
            let outcome = limiter.acquire().await;
            served.lock().unwrap().push((nth, outcome.map(drop)));
        });
        clock.settle().await;
    }
    let full = RateLimitError::QueueFull {
        name: "search".into(),
        queue_size: 3,
    };
    assert_eq!(served.lock().unwrap()[..], [(3, Err(full))]);
    assert_eq!(limiter.get_stats().current_queue_size, 3);
    clock.advance(Duration::from_secs(3)).await;
    tasks.join_all().await;
    let order: Vec<u32> = served.lock().unwrap().iter().map(|it| it.0).collect();
    assert_eq!(order, [3, 0, 1, 2]);
    let stats = limiter.get_stats();
    assert_eq!(
        (
            stats.total_requests,
            stats.rejected_requests,
            stats.current_queue_size
        ),
        (5, 1, 0)
    );
    assert_eq!(stats.average_wait_time(), Duration::from_millis(1500));
}

// covers: RL-06
#[tokio::test(start_paused = true)]
async fn every_wait_ends_at_its_deadline() {
    for strategy in [RateLimitStrategy::Wait, RateLimitStrategy::Queue] {
        let clock = clock();
        let config = RateLimitConfig {
            max_wait: Duration::from_secs(2),
            ..capped(1, strategy)
        };
        let limiter = limiter(config, &clock);
        // Never released: nobody else can come.
        let held = limiter.acquire().await.unwrap();
        let (admitted, refused) = ask(&limiter, &clock, 5, Duration::from_secs(2)).await;
        assert!(admitted.is_empty());
        assert!(refused.iter().all(|error| *error == exceeded(None)));
        assert_eq!(limiter.get_stats().current_queue_size, 0);
        held.release();
        limiter.acquire().await.unwrap().release();
    }
}

// covers: RL-06, RL-07
#[tokio::test]
async fn fallback_never_waits_and_hands_out_no_permit() {
    // No timer runs here: a wait would not end.
    let clock = clock();
    let none = limiter(bucket(1.0, 0, RateLimitStrategy::Fallback), &clock);
    assert_eq!(none.acquire().await.unwrap_err(), exceeded(None));
    let busy = limiter(capped(1, RateLimitStrategy::Fallback), &clock);
    let held = busy.acquire().await.unwrap();
    assert_eq!(busy.acquire().await.unwrap_err(), exceeded(None));
    drop(held);
    busy.acquire().await.unwrap().release();
}

// covers: RL-08
#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let clock = clock();
    let config = RateLimitConfig {
        max_concurrent: Some(1),
        requests_per_minute: 3.0,
        ..bucket(1.0, 1, RateLimitStrategy::Queue)
    };
    let limiter = limiter(config, &clock);
    let held = limiter.acquire().await.unwrap();
    // One waits for the slot as the head, two behind it; then one waits for the bucket with the slot in hand.
    let mut waiting: Vec<_> = (0..3)
        .map(|_| {
            let limiter = Arc::clone(&limiter);
            tokio::spawn(async move { limiter.acquire().await.map(drop) })
        })
        .collect();
    clock.settle().await;
    assert_eq!(limiter.get_stats().current_queue_size, 3);
    waiting[1].abort();
    waiting[0].abort();
    clock.settle().await;
    assert_eq!(limiter.get_stats().current_queue_size, 1);
    held.release();
    clock.settle().await;
    assert_eq!(
        limiter.get_stats().in_flight,
        Some(1),
        "the last one has the slot and waits for a token"
    );
    waiting[2].abort();
    clock.settle().await;
    let stats = limiter.get_stats();
    assert_eq!((stats.in_flight, stats.current_queue_size), (Some(0), 0));
    assert_eq!(
        (stats.total_requests, stats.successful_requests),
        (1, 1),
        "who gave up was not charged"
    );
    clock.advance(SECOND).await;
    limiter.acquire().await.unwrap().release();
    drop(waiting.drain(..));
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait() {
    let clock = clock();
    let limiter = limiter(bucket(1.0, 1, RateLimitStrategy::Wait), &clock);
    limiter.acquire().await.unwrap().release();
    let waiting = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { limiter.acquire().await.map(drop) }
    });
    clock.settle().await;
    assert_eq!(limiter.try_acquire().unwrap_err(), exceeded(None));
    clock.advance(SECOND).await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn names_and_configurations_are_checked() {
    let clock: Arc<dyn Clock> = Arc::new(clock());
    let new =
        |name: &str, config| crate::ratelimit::RateLimiter::new(name, config, Arc::clone(&clock));
    assert_eq!(
        new("", RateLimitConfig::default()).err(),
        Some(RateLimitError::InvalidName { length: 0 })
    );
    assert!(new(&"x".repeat(257), RateLimitConfig::default()).is_err());
    let bad = RateLimitConfig {
        requests_per_second: 0.0,
        ..RateLimitConfig::default()
    };
    assert!(matches!(
        new("a", bad),
        Err(RateLimitError::InvalidConfig { .. })
    ));
    let debug = format!("{:?}", new("a", RateLimitConfig::default()).unwrap());
    assert!(debug.starts_with("RateLimiter { name: \"a\""));
    assert!(Timestamp::MIN < clock.now());
}
