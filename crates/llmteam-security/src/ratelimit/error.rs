//! What can go wrong here: refusals, and configurations that make no sense.
//!
//! Invariant: a refusal says by name which limiter or breaker refused, and when asking again may help. This
//! file does not know what was to be called.

use std::{fmt, sync::Arc, time::Duration};

/// Why a request may not go ahead, or a limiter cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateLimitError {
    /// A budget is used up, or no place among the concurrent requests came free in time.
    #[error("rate limit of `{name}` is exceeded{}", again(*.retry_after))]
    RateLimitExceeded {
        /// The limiter.
        name: Arc<str>,
        /// The earliest time at which its budgets admit a request, if nobody else takes it; `None` when the
        /// request lacked a concurrency slot, or its turn, which have no known time.
        retry_after: Option<Duration>,
    },
    /// The circuit to a failing service is open.
    #[error("circuit of `{name}` is open{}", again(*.retry_after))]
    CircuitOpen {
        /// The breaker.
        name: Arc<str>,
        /// How long until it admits a probe.
        retry_after: Option<Duration>,
    },
    /// As many requests wait as may wait.
    #[error("queue of `{name}` is full: {queue_size} requests wait")]
    QueueFull {
        /// The limiter.
        name: Arc<str>,
        /// How many may wait.
        queue_size: u32,
    },
    /// A configuration that cannot be meant.
    #[error("`{field}` is `{value}`: {rule}")]
    InvalidConfig {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it must hold.
        rule: &'static str,
    },
    /// A name of no use: empty, or longer than 256 bytes.
    #[error("an endpoint's name has 1 to 256 bytes, this one has {length}")]
    InvalidName {
        /// Its length in bytes.
        length: usize,
    },
    /// Nothing is registered under the name, and unknown names are refused here.
    #[error("endpoint `{name}` is not registered; register it, or allow default limits")]
    UnknownEndpoint {
        /// The name.
        name: Arc<str>,
    },
    /// The name is taken.
    #[error("endpoint `{name}` is already registered; unregister it first")]
    AlreadyRegistered {
        /// The name.
        name: Arc<str>,
    },
    /// The registry holds as many endpoints as it may.
    #[error("`{name}` is one endpoint too many: {maximum} are kept")]
    TooManyEndpoints {
        /// The name that found no place.
        name: Arc<str>,
        /// How many may be kept.
        maximum: usize,
    },
}

impl RateLimitError {
    /// When asking again may help, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimitExceeded { retry_after, .. } | Self::CircuitOpen { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    pub(crate) fn invalid(
        field: &'static str,
        value: &dyn fmt::Display,
        rule: &'static str,
    ) -> Self {
        Self::InvalidConfig {
            field,
            value: value.to_string(),
            rule,
        }
    }
}

fn again(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| {
        format!("; try again in {:.3} s", after.as_secs_f64())
    })
}

/// Longest name of an endpoint, in bytes.
const LONGEST_NAME: usize = 256;

/// The name as it is kept, or [`RateLimitError::InvalidName`].
pub(crate) fn checked_name(name: &str) -> Result<Arc<str>, RateLimitError> {
    match name.len() {
        1..=LONGEST_NAME => Ok(name.into()),
        length => Err(RateLimitError::InvalidName { length }),
    }
}
