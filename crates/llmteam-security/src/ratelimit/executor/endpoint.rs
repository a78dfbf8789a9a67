//! One endpoint of an executor: its limiter, its breaker, and what its executions came to.
//!
//! Invariant: each execution that ends is counted once, so that the total is the sum of its kinds; the
//! figures of limiter and breaker are read from the live ones. This file does not know how calls are made.

use serde::Serialize;

use super::result::{ExecutionError, ExecutionResult, Served};
use crate::ratelimit::{
    breaker::{CircuitBreaker, CircuitBreakerStats, CircuitState},
    limiter::RateLimiter,
    stats::RateLimiterStats,
    sync::atomic::{AtomicU64, Ordering},
};

/// What an endpoint has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EndpointStats {
    /// Its limiter.
    pub rate_limiter: RateLimiterStats,
    /// Its breaker, if it has one.
    pub circuit_breaker: Option<CircuitBreakerStats>,
    /// All executions that ended: successful, failed, fallback and rejected.
    pub total_executions: u64,
    /// Answered by the service.
    pub successful_executions: u64,
    /// Failed for good.
    pub failed_executions: u64,
    /// Served by a fallback.
    pub fallback_executions: u64,
    /// Refused by limiter or breaker, without a fallback.
    pub rejected_executions: u64,
    /// Calls after the first of an execution.
    pub total_retries: u64,
}

/// How an endpoint fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointHealth {
    /// Whether its circuit is closed and its limiter has room.
    pub healthy: bool,
    /// The state of its circuit; `None` without a breaker.
    pub circuit_state: Option<CircuitState>,
    /// Whether a request would be over a limit now.
    pub rate_limited: bool,
}

pub(super) struct Endpoint {
    pub(super) limiter: RateLimiter,
    pub(super) breaker: Option<CircuitBreaker>,
    successful: AtomicU64,
    failed: AtomicU64,
    fallback: AtomicU64,
    rejected: AtomicU64,
    pub(super) retries: AtomicU64,
}

impl Endpoint {
    pub(super) fn new(limiter: RateLimiter, breaker: Option<CircuitBreaker>) -> Self {
        Self {
            limiter,
            breaker,
            successful: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            fallback: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }
    }

    pub(super) fn count<T, E>(&self, result: &ExecutionResult<T, E>) {
        let counter = match &result.outcome {
            Ok(Served::Answer(_)) => &self.successful,
            Ok(Served::Fallback(_)) => &self.fallback,
            Err(ExecutionError::Refused { .. }) => &self.rejected,
            Err(ExecutionError::Call(_) | ExecutionError::TimedOut) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> EndpointStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (successful, failed) = (read(&self.successful), read(&self.failed));
        let (fallback, rejected) = (read(&self.fallback), read(&self.rejected));
        EndpointStats {
            rate_limiter: self.limiter.get_stats(),
            circuit_breaker: self.breaker.as_ref().map(CircuitBreaker::get_stats),
            total_executions: successful + failed + fallback + rejected,
            successful_executions: successful,
            failed_executions: failed,
            fallback_executions: fallback,
            rejected_executions: rejected,
            total_retries: read(&self.retries),
        }
    }

    pub(super) fn reset_stats(&self) {
        self.limiter.reset_stats();
        if let Some(breaker) = &self.breaker {
            breaker.reset_stats();
        }
        for counter in [
            &self.successful,
            &self.failed,
            &self.fallback,
            &self.rejected,
            &self.retries,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn health(&self) -> EndpointHealth {
        let circuit_state = self.breaker.as_ref().map(CircuitBreaker::state);
        let rate_limited = self.limiter.is_limited();
        let closed = circuit_state.is_none_or(|state| state == CircuitState::Closed);
        EndpointHealth {
            healthy: closed && !rate_limited,
            circuit_state,
            rate_limited,
        }
    }
}
