//! What a limiter and a breaker are told: budgets, waiting, retries, when to open and when to try again.
//!
//! Invariant: every limiter and breaker checks its configuration before it exists, and the arithmetic here
//! saturates, so that no value of any field can panic. This file does not know how the rules are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{error::RateLimitError, seconds};

/// What happens to a request that is over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitStrategy {
    /// It waits its turn, up to `max_wait`; at once refused when that cannot be enough.
    #[default]
    Wait,
    /// It is refused.
    Reject,
    /// It waits in a line of at most `queue_size`, up to `max_wait`.
    Queue,
    /// It is refused without waiting, and whoever asked uses a fallback.
    Fallback,
}

/// The budgets of one endpoint.
///
/// In any span of `t` seconds at most `requests_per_second * t + burst_size` requests are admitted, and in
/// any 60 s and any 3,600 s never more than those limits. A limit of a window is a whole number: what is
/// behind the point is dropped. In JSON, durations are numbers of seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Refill of the token bucket, 1/3600 at least. Above 10⁹ it counts as 10⁹.
    pub requests_per_second: f64,
    /// Most requests in any 60 seconds, 1 at least.
    pub requests_per_minute: f64,
    /// Most requests in any 3,600 seconds, 1 at least.
    pub requests_per_hour: f64,
    /// Size of the token bucket: how many may come at once. Zero admits nothing, and is for
    /// [`RateLimitStrategy::Reject`] and [`RateLimitStrategy::Fallback`] only.
    pub burst_size: u32,
    /// How many requests may be under way at once; `None` sets no cap.
    pub max_concurrent: Option<u32>,
    /// What happens to a request over a limit.
    pub strategy: RateLimitStrategy,
    /// How many may wait under [`RateLimitStrategy::Queue`].
    pub queue_size: u32,
    /// The longest wait for an admission.
    #[serde(rename = "max_wait_seconds", with = "seconds")]
    pub max_wait: Duration,
    /// How often the executor calls again after a first failure.
    pub retry_count: u32,
    /// Whether the delay doubles with each retry.
    pub retry_exponential: bool,
    /// The first delay; also every later one when it does not double.
    #[serde(rename = "retry_base_delay_seconds", with = "seconds")]
    pub retry_base_delay: Duration,
    /// The longest delay.
    #[serde(rename = "retry_max_delay_seconds", with = "seconds")]
    pub retry_max_delay: Duration,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            requests_per_second: 10.0,
            requests_per_minute: 100.0,
            requests_per_hour: 1000.0,
            burst_size: 10,
            max_concurrent: None,
            strategy: RateLimitStrategy::Wait,
            queue_size: 100,
            max_wait: Duration::from_secs(30),
            retry_count: 3,
            retry_exponential: true,
            retry_base_delay: Duration::from_secs(1),
            retry_max_delay: Duration::from_secs(60),
        }
    }
}

/// The slowest refill: one request an hour.
const SLOWEST: f64 = 1.0 / 3600.0;
/// The largest bucket. With the slowest refill it fills within the range of the arithmetic.
const LARGEST_BURST: u32 = 1_000_000;

impl RateLimitConfig {
    /// The configuration itself, once every field makes sense.
    ///
    /// # Errors
    /// [`RateLimitError::InvalidConfig`] for the first field that does not.
    pub fn validated(self) -> Result<Self, RateLimitError> {
        at_least(
            "requests_per_second",
            self.requests_per_second,
            SLOWEST,
            "at least 1/3600 and finite",
        )?;
        at_least(
            "requests_per_minute",
            self.requests_per_minute,
            1.0,
            "at least 1 and finite; a slower rate is one per hour",
        )?;
        at_least(
            "requests_per_hour",
            self.requests_per_hour,
            1.0,
            "at least 1 and finite",
        )?;
        let waits = matches!(
            self.strategy,
            RateLimitStrategy::Wait | RateLimitStrategy::Queue
        );
        if self.burst_size == 0 && waits {
            return Err(RateLimitError::invalid(
                "burst_size",
                &0,
                "0 admits nothing, so nobody can wait for it: use `reject` or `fallback`",
            ));
        }
        if self.burst_size > LARGEST_BURST {
            return Err(RateLimitError::invalid(
                "burst_size",
                &self.burst_size,
                "at most 1000000",
            ));
        }
        if self.max_concurrent == Some(0) {
            return Err(RateLimitError::invalid(
                "max_concurrent",
                &0,
                "at least 1, or none for no cap",
            ));
        }
        if self.strategy == RateLimitStrategy::Queue && self.queue_size == 0 {
            return Err(RateLimitError::invalid(
                "queue_size",
                &0,
                "at least 1, or use `reject`",
            ));
        }
        Ok(self)
    }

    /// The time between two requests at the full rate: 1 / `requests_per_second`.
    pub fn get_min_interval(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.requests_per_second).unwrap_or(Duration::MAX)
    }

    /// The longest delay before retry number `attempt`, counted from 0: base · 2^attempt, at most the cap.
    /// The executor waits a random part of it (full jitter).
    pub fn get_retry_delay(&self, attempt: u32) -> Duration {
        let factor = if self.retry_exponential {
            2_u32.saturating_pow(attempt)
        } else {
            1
        };
        self.retry_base_delay
            .saturating_mul(factor)
            .min(self.retry_max_delay)
    }
}

/// When a circuit opens, for how long, and how it closes again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitBreakerConfig {
    /// So many failures without a success between them open the circuit.
    pub failure_threshold: u32,
    /// It also opens when this share of the window has failed or was slow: above 0, at most 1.
    pub failure_rate_threshold: f64,
    /// How many of the latest results the window holds.
    pub sample_size: u32,
    /// How many results the window must hold before their share counts.
    pub minimum_calls: u32,
    /// Results older than this leave the window.
    #[serde(rename = "window_seconds", with = "seconds")]
    pub window: Duration,
    /// A success that took at least this long counts as slow; `None` times nothing.
    #[serde(rename = "slow_call_seconds", with = "seconds::optional")]
    pub slow_call: Option<Duration>,
    /// How long the circuit stays open before it admits probes.
    #[serde(rename = "open_timeout_seconds", with = "seconds")]
    pub open_timeout: Duration,
    /// Each time the probes fail the open time doubles, up to this; closing starts it over.
    #[serde(rename = "max_open_timeout_seconds", with = "seconds")]
    pub max_open_timeout: Duration,
    /// How many probes may be under way at once.
    pub half_open_max_requests: u32,
    /// A probe without a result after this has failed.
    #[serde(rename = "probe_lease_seconds", with = "seconds")]
    pub probe_lease: Duration,
    /// So many successful probes close the circuit.
    pub success_threshold: u32,
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            failure_rate_threshold: 0.5,
            sample_size: 10,
            minimum_calls: 10,
            window: Duration::from_secs(60),
            slow_call: None,
            open_timeout: Duration::from_secs(30),
            max_open_timeout: Duration::from_secs(30),
            half_open_max_requests: 3,
            probe_lease: Duration::from_secs(30),
            success_threshold: 2,
        }
    }
}

/// The largest window, in results: each failure in it is remembered.
const LARGEST_SAMPLE: u32 = 10_000;

impl CircuitBreakerConfig {
    /// For calls to other hosts: opens when half of the last 100 calls or 30 s, 20 calls at least, failed or
    /// took 30 s; stays open for 5 s, growing to 5 min; tries again with three probes of 30 s.
    pub fn egress() -> Self {
        Self {
            failure_threshold: 20,
            sample_size: 100,
            minimum_calls: 20,
            window: Duration::from_secs(30),
            slow_call: Some(Duration::from_secs(30)),
            open_timeout: Duration::from_secs(5),
            max_open_timeout: Duration::from_secs(300),
            ..Self::default()
        }
    }

    /// The configuration itself, once every field makes sense.
    ///
    /// # Errors
    /// [`RateLimitError::InvalidConfig`] for the first field that does not.
    pub fn validated(self) -> Result<Self, RateLimitError> {
        for (field, value) in [
            ("failure_threshold", self.failure_threshold),
            ("sample_size", self.sample_size),
            ("minimum_calls", self.minimum_calls),
            ("half_open_max_requests", self.half_open_max_requests),
            ("success_threshold", self.success_threshold),
        ] {
            if value == 0 {
                return Err(RateLimitError::invalid(field, &value, "at least 1"));
            }
        }
        let share = self.failure_rate_threshold;
        if !(share > 0.0 && share <= 1.0) {
            return Err(RateLimitError::invalid(
                "failure_rate_threshold",
                &share,
                "above 0 and at most 1",
            ));
        }
        if self.sample_size > LARGEST_SAMPLE {
            return Err(RateLimitError::invalid(
                "sample_size",
                &self.sample_size,
                "at most 10000",
            ));
        }
        if self.minimum_calls > self.sample_size {
            return Err(RateLimitError::invalid(
                "minimum_calls",
                &self.minimum_calls,
                "at most `sample_size`, or it is never reached",
            ));
        }
        for (field, span) in [
            ("window", Some(self.window)),
            ("slow_call", self.slow_call),
            ("open_timeout", Some(self.open_timeout)),
            ("probe_lease", Some(self.probe_lease)),
        ] {
            if span.is_some_and(|span| span.is_zero()) {
                return Err(RateLimitError::invalid(field, &0, "longer than nothing"));
            }
        }
        if self.max_open_timeout < self.open_timeout {
            return Err(RateLimitError::invalid(
                "max_open_timeout",
                &self.max_open_timeout.as_secs_f64(),
                "at least `open_timeout`",
            ));
        }
        Ok(self)
    }

    /// Whether a circuit opens after `consecutive` failures in a row, with `failures` among the `total`
    /// results of the window.
    pub fn should_open(&self, consecutive: u32, failures: u32, total: u32) -> bool {
        let share = f64::from(failures) / f64::from(total.max(1));
        consecutive >= self.failure_threshold
            || (total >= self.minimum_calls && share >= self.failure_rate_threshold)
    }
}

fn at_least(
    field: &'static str,
    value: f64,
    least: f64,
    rule: &'static str,
) -> Result<(), RateLimitError> {
    // A comparison with NaN is false.
    if value >= least && value.is_finite() {
        Ok(())
    } else {
        Err(RateLimitError::invalid(field, &value, rule))
    }
}
