//! Admissions that are never refused, and calls through a closed circuit, by one task and by eight.
//!
//! Our limiter keeps a bucket and two windows; governor, the peer, and the bare cell in one atomic keep one
//! bucket. The floors of the circuit are two counters that all tasks share, and one that they contend for.

use std::future::Future;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::{Quota, RateLimiter as Governor};
use llmteam_security::ratelimit::{
    CircuitBreaker, CircuitBreakerConfig, RateLimitConfig, RateLimiter,
};
use llmteam_security::{Clock, SystemClock};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::measure::{Report, rate, two_workers};

/// Admissions, or calls, of one repetition.
const TIMES: usize = 4_000_000;

pub(crate) fn measure(report: &mut Report) {
    let runtime = two_workers();
    for (tasks, acquire_target, breaker_target) in [(1, 0.37, 0.9), (8, 0.5, 7.0)] {
        if report.wants("limiter/acquire") {
            acquire(report, &runtime, tasks, acquire_target);
        }
        if report.wants("limiter/breaker") {
            breaker(report, &runtime, tasks, breaker_target);
        }
    }
}

/// A limiter whose limits are never reached.
fn limiter(max_concurrent: Option<u32>) -> Arc<RateLimiter> {
    let config = RateLimitConfig {
        requests_per_second: 1e9,
        requests_per_minute: 1e12,
        requests_per_hour: 1e14,
        burst_size: 1_000_000,
        max_concurrent,
        ..RateLimitConfig::default()
    };
    let limiter = RateLimiter::new("bench", config, Arc::new(SystemClock));
    Arc::new(limiter.expect("the limits are valid"))
}

fn acquire(report: &mut Report, runtime: &Runtime, tasks: usize, target: f64) {
    let quota = Quota::per_second(NonZeroU32::new(1_000_000_000).expect("not zero"));
    let governor = Arc::new(Governor::direct(quota));
    let peer = spread(runtime, tasks, &governor, |governor, times| async move {
        for _ in 0..times {
            black_box(governor.check()).expect("never refused");
        }
    });
    let ours = |limiter: Arc<RateLimiter>| {
        spread(runtime, tasks, &limiter, |limiter, times| async move {
            for _ in 0..times {
                limiter.acquire().await.expect("never refused").release();
            }
        })
    };
    let rows = [
        ("acquire", ours(limiter(None))),
        ("acquire/capped", ours(limiter(Some(1_000)))),
    ];
    let clock = spread(
        runtime,
        tasks,
        &Arc::new(SystemClock),
        |clock, times| async move {
            for _ in 0..times {
                black_box(clock.monotonic());
            }
        },
    );
    let cell = spread(
        runtime,
        tasks,
        &Arc::new(AtomicU64::new(0)),
        |cell, times| async move {
            for _ in 0..times {
                black_box(one_atomic(&cell));
            }
        },
    );
    for (what, ours) in rows {
        let name = format!("limiter/{what}/{tasks}");
        report.add(
            &name,
            "admitted/s",
            ours,
            ("governor, one window", peer),
            target,
        );
    }
    let name = format!("limiter/acquire/{tasks}");
    // No target of their own: they show what of the time is the clock's, and what an atomic's.
    let ours = rows[0].1;
    report.add(
        &name,
        "admitted/s",
        ours,
        ("a reading of the clock", clock),
        0.33,
    );
    report.add(
        &name,
        "admitted/s",
        ours,
        ("one bucket in one atomic", cell),
        0.5,
    );
}

/// The generic cell rate algorithm for one bucket, on the clock that ours reads.
fn one_atomic(cell: &AtomicU64) -> bool {
    let now = SystemClock.monotonic().as_nanos() as u64;
    let next = |arrival: u64| {
        let arrival = arrival.max(now) + 1;
        (arrival <= now + 1_000_000_000).then_some(arrival)
    };
    cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        .is_ok()
}

fn breaker(report: &mut Report, runtime: &Runtime, tasks: usize, target: f64) {
    let breaker = CircuitBreaker::new(
        "bench",
        CircuitBreakerConfig::default(),
        Arc::new(SystemClock),
    );
    let breaker = Arc::new(breaker.expect("the configuration is valid"));
    let ours = spread(runtime, tasks, &breaker, |breaker, times| async move {
        for _ in 0..times {
            let permit = breaker.allow_request().expect("the circuit is closed");
            permit.record_success();
        }
    });
    let counters = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let shared = spread(runtime, tasks, &counters, |counters, times| async move {
        for _ in 0..times {
            counters.0.fetch_add(1, Ordering::Relaxed);
            counters.1.fetch_add(1, Ordering::Relaxed);
        }
    });
    let locked = Arc::new(Mutex::new(0_u64));
    let locked = spread(runtime, tasks, &locked, |locked, times| async move {
        for _ in 0..times {
            for _ in 0..2 {
                *locked.lock().expect("nobody panics") += 1;
            }
        }
    });
    let name = format!("limiter/breaker/{tasks}");
    report.add(
        &name,
        "calls/s",
        ours,
        ("two shared counters", shared),
        target,
    );
    report.add(&name, "calls/s", ours, ("a lock, twice", locked), target);
}

/// Units per second of `tasks` tasks that share `with`.
fn spread<S, F>(runtime: &Runtime, tasks: usize, with: &Arc<S>, work: fn(Arc<S>, usize) -> F) -> f64
where
    S: Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    rate(runtime, TIMES, || {
        let with = Arc::clone(with);
        async move {
            let mut all = JoinSet::new();
            for _ in 0..tasks {
                all.spawn(work(Arc::clone(&with), TIMES / tasks));
            }
            all.join_all().await;
        }
    })
}
