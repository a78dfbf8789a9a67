//! What came of an execution.
//!
//! Invariant: a fallback is never taken for the service's own answer: the type says which it is. The last
//! failure of the service is kept, also when a local refusal ended the execution.

use std::{error::Error, fmt, time::Duration};

use crate::ratelimit::error::RateLimitError;

/// A value, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served<T> {
    /// The service answered.
    Answer(T),
    /// The service was not asked; this is the caller's fallback.
    Fallback(T),
}

impl<T> Served<T> {
    /// The value, whoever gave it.
    pub fn into_inner(self) -> T {
        match self {
            Self::Answer(value) | Self::Fallback(value) => value,
        }
    }
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionError<E> {
    /// The call failed, for good or as often as it may.
    Call(E),
    /// The call did not end in time.
    TimedOut,
    /// A limiter or breaker refused; `last` is how the call before had failed, if there was one.
    Refused {
        /// The refusal.
        refusal: RateLimitError,
        /// The failure before it.
        last: Option<E>,
    },
}

impl<E: fmt::Display> fmt::Display for ExecutionError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::TimedOut => f.write_str("the call did not end in time"),
            Self::Refused {
                refusal,
                last: None,
            } => refusal.fmt(f),
            Self::Refused {
                refusal,
                last: Some(last),
            } => write!(f, "{refusal}; the call before failed: {last}"),
        }
    }
}

impl<E: Error + 'static> Error for ExecutionError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Call(error) => Some(error),
            Self::TimedOut => None,
            Self::Refused { refusal, .. } => Some(refusal),
        }
    }
}

/// The outcome of an execution, and what it took.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an execution may have failed"]
pub struct ExecutionResult<T, E> {
    /// The value, or why there is none.
    pub outcome: Result<Served<T>, ExecutionError<E>>,
    /// How often the call was made, 0 when it never was.
    pub attempts: u32,
    /// From the start to the end, waits included.
    pub total_time: Duration,
}

impl<T, E> ExecutionResult<T, E> {
    /// Whether there is a value, the service's or a fallback.
    pub fn success(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Whether the value is the caller's fallback.
    pub fn used_fallback(&self) -> bool {
        matches!(self.outcome, Ok(Served::Fallback(_)))
    }

    /// Whether a limiter refused.
    pub fn rate_limited(&self) -> bool {
        self.refusal().is_some_and(|refusal| {
            matches!(
                refusal,
                RateLimitError::RateLimitExceeded { .. } | RateLimitError::QueueFull { .. }
            )
        })
    }

    /// Whether a breaker refused.
    pub fn circuit_open(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| matches!(refusal, RateLimitError::CircuitOpen { .. }))
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match &self.outcome {
            Ok(Served::Answer(value) | Served::Fallback(value)) => Some(value),
            Err(_) => None,
        }
    }

    /// The error, if there is no value.
    pub fn error(&self) -> Option<&ExecutionError<E>> {
        self.outcome.as_ref().err()
    }

    /// The value or the error, without saying whose the value is.
    ///
    /// # Errors
    /// The error of the execution.
    pub fn into_result(self) -> Result<T, ExecutionError<E>> {
        self.outcome.map(Served::into_inner)
    }

    fn refusal(&self) -> Option<&RateLimitError> {
        match &self.outcome {
            Err(ExecutionError::Refused { refusal, .. }) => Some(refusal),
            _ => None,
        }
    }
}

impl<T, E> From<ExecutionResult<T, E>> for Result<T, ExecutionError<E>> {
    fn from(result: ExecutionResult<T, E>) -> Self {
        result.into_result()
    }
}
