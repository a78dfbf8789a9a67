//! Budgets for outgoing calls, and circuits that stop calling what fails.
//!
//! Invariant: check and charge are one act, so that no limit is ever passed in any window; a permit gives
//! back what it holds when it is dropped; and a circuit whose service is healthy closes in bounded time.
//! This module does not know what is called: it is handed futures, or sits around a tower service.
//!
//! ```
//! use std::sync::Arc;
//! use llmteam_security::{SystemClock, ratelimit::{RateLimitConfig, RateLimitError, RateLimiter}};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), RateLimitError> {
//! let config = RateLimitConfig { requests_per_second: 5.0, burst_size: 2, ..Default::default() };
//! let limiter = RateLimiter::new("search", config, Arc::new(SystemClock))?;
//! let permit = limiter.acquire().await?;
//! // … the request, while the permit is held …
//! permit.release();
//! # Ok(()) }
//! ```

mod breaker;
mod budget;
mod cell;
mod config;
mod error;
mod executor;
mod keyed;
#[cfg(feature = "tower")]
mod layer;
mod limiter;
mod line;
mod ring;
mod seconds;
#[cfg(feature = "redis")]
mod shared;
mod stats;
mod sync;
mod ticks;

#[cfg(test)]
mod tests;

#[cfg(feature = "tower")]
pub use self::layer::{
    CircuitBreakerLayer, CircuitBroken, LayerError, RateLimitLayer, RateLimited,
};
#[cfg(feature = "redis")]
pub use self::shared::{SharedLimit, SharedRateLimiter};
pub use self::{
    breaker::{CircuitBreaker, CircuitBreakerStats, CircuitPermit, CircuitState},
    config::{CircuitBreakerConfig, RateLimitConfig, RateLimitStrategy},
    error::RateLimitError,
    executor::{
        Call, EndpointHealth, EndpointStats, ExecutionError, ExecutionResult, ExecutorConfig,
        Fault, Jitter, NoJitter, RateLimitedExecutor, Served, SystemJitter,
    },
    keyed::{KeyedRateLimitConfig, KeyedRateLimiter},
    limiter::{RateLimitPermit, RateLimiter},
    stats::RateLimiterStats,
};
