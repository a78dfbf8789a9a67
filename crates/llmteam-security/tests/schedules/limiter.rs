//! Limiter schedules.

use std::{sync::Arc, time::Duration};

use shuttle::{future::block_on, thread};

use crate::{
    clock::Clock,
    hands::Hands,
    in_many_orders,
    ratelimit::{
        config::{RateLimitConfig, RateLimitStrategy},
        limiter::RateLimiter,
    },
};

fn limiter(config: RateLimitConfig) -> (Arc<Hands>, Arc<RateLimiter>) {
    let hands = Arc::new(Hands::default());
    let limiter = RateLimiter::new("search", config, Arc::clone(&hands) as Arc<dyn Clock>);
    (
        hands,
        Arc::new(limiter.expect("the configuration is valid")),
    )
}

// covers: RL-01
#[test]
fn no_order_admits_more_than_the_budgets() {
    in_many_orders(|| {
        let (hands, limiter) = limiter(RateLimitConfig {
            requests_per_second: 1.0,
            requests_per_minute: 4.0,
            burst_size: 3,
            strategy: RateLimitStrategy::Reject,
            ..RateLimitConfig::default()
        });
        let asking = |hands: Arc<Hands>, limiter: Arc<RateLimiter>| {
            move || {
                let first = usize::from(limiter.try_acquire().is_ok());
                hands.advance(Duration::from_millis(700));
                first + usize::from(limiter.try_acquire().is_ok())
            }
        };
        let threads: Vec<_> = (0..3)
            .map(|_| thread::spawn(asking(Arc::clone(&hands), Arc::clone(&limiter))))
            .collect();
        let admitted: usize = threads.into_iter().map(|it| it.join().unwrap()).sum();
        // Three at once and, in 2.1 s, two more; four in a minute.
        assert!((3..=4).contains(&admitted), "{admitted} admitted");
        assert_eq!(limiter.get_stats().successful_requests, admitted as u64);
        assert_eq!(limiter.get_stats().total_requests, 6);
    });
}

// covers: RL-04, RL-05
#[test]
fn no_order_exceeds_the_cap_or_loses_a_waiter() {
    in_many_orders(|| {
        let (_, limiter) = limiter(RateLimitConfig {
            requests_per_second: 1000.0,
            max_concurrent: Some(1),
            strategy: RateLimitStrategy::Queue,
            max_wait: Duration::MAX,
            ..RateLimitConfig::default()
        });
        let under_way = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (limiter, under_way) = (Arc::clone(&limiter), Arc::clone(&under_way));
                thread::spawn(move || {
                    use std::sync::atomic::Ordering::SeqCst;
                    // A wait may reach its deadline here, since whoever sleeps moves the clock.
                    if let Ok(permit) = block_on(limiter.acquire()) {
                        assert_eq!(under_way.fetch_add(1, SeqCst), 0, "two at once");
                        thread::yield_now();
                        under_way.fetch_sub(1, SeqCst);
                        permit.release();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|it| it.join().unwrap());
        let stats = limiter.get_stats();
        assert_eq!((stats.in_flight, stats.current_queue_size), (Some(0), 0));
        assert_eq!(stats.total_requests, 3);
        limiter.try_acquire().unwrap().release();
    });
}
