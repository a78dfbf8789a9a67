//! Tests of limits and circuits. They stand apart from the code so that `tests/schedules` can include its sources.

use std::{sync::Arc, time::Duration};

use super::{RateLimitConfig, RateLimitStrategy, RateLimiter};
use crate::{ManualClock, Timestamp};

mod breaker;
mod breaker_model;
mod cell;
mod config;
mod executor;
mod keyed;
#[cfg(feature = "tower")]
mod layer;
mod limiter;
#[cfg(feature = "redis")]
mod redis;

const SECOND: Duration = Duration::from_secs(1);

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::parse("2030-01-01T00:00:00Z").unwrap())
}

/// No limit but the bucket's.
fn bucket(
    requests_per_second: f64,
    burst_size: u32,
    strategy: RateLimitStrategy,
) -> RateLimitConfig {
    RateLimitConfig {
        requests_per_second,
        requests_per_minute: 1e9,
        requests_per_hour: 1e9,
        burst_size,
        strategy,
        ..RateLimitConfig::default()
    }
}

fn limiter(config: RateLimitConfig, clock: &ManualClock) -> Arc<RateLimiter> {
    Arc::new(RateLimiter::new("search", config, Arc::new(clock.clone())).unwrap())
}
