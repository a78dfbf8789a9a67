//! How asking a model fails.
//!
//! Invariant: no message holds a credential; providers see to that before they make one.

use std::time::Duration;

use crate::call::Sent;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// No connection was made.
    #[error("cannot reach the model: {detail}")]
    Connect {
        /// What went wrong.
        detail: String,
    },
    /// The rules for outbound calls forbid the address.
    #[error("calling the model is not allowed: {detail}")]
    Denied {
        /// Which rule, for what.
        detail: String,
    },
    /// The vendor asks to slow down.
    #[error("the model's rate limit is reached")]
    RateLimited {
        /// How long to wait, if the vendor said.
        retry_after: Option<Duration>,
    },
    /// The vendor failed.
    #[error("the model's service failed with status {status}: {detail}")]
    Server {
        /// The HTTP status, or the one that matches an error inside a stream.
        status: u16,
        /// How long to wait, if the vendor said.
        retry_after: Option<Duration>,
        /// The vendor's words.
        detail: String,
    },
    /// The time ran out.
    #[error("the model did not answer within {} s", after.as_secs_f64())]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The answer was cut before its end.
    #[error("the model's answer was cut: {detail}")]
    Interrupted {
        /// What went wrong.
        detail: String,
    },
    /// The answer is not what the vendor's interface promises.
    #[error("the model's answer cannot be read: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// The answer is longer than allowed.
    #[error("the model's answer has more than {limit}")]
    TooLarge {
        /// The limit with its unit.
        limit: String,
    },
    /// The vendor refuses the credential.
    #[error("the model's service refuses the credential with status {status}")]
    Auth {
        /// The HTTP status.
        status: u16,
    },
    /// The request is wrong and would be wrong again.
    #[error("the model refuses the request: {detail}")]
    InvalidRequest {
        /// The vendor's words.
        detail: String,
    },
}

impl LlmError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "LLM_UNREACHABLE",
            Self::Denied { .. } => "LLM_DENIED",
            Self::RateLimited { .. } => "LLM_RATE_LIMITED",
            Self::Server { .. } => "LLM_SERVER",
            Self::Timeout { .. } => "LLM_TIMEOUT",
            Self::Interrupted { .. } => "LLM_INTERRUPTED",
            Self::Malformed { .. } => "LLM_MALFORMED",
            Self::TooLarge { .. } => "LLM_TOO_LARGE",
            Self::Auth { .. } => "LLM_AUTH",
            Self::InvalidRequest { .. } => "LLM_INVALID_REQUEST",
        }
    }

    /// All codes, for the register of error codes.
    pub const CODES: [&'static str; 10] = [
        "LLM_UNREACHABLE",
        "LLM_DENIED",
        "LLM_RATE_LIMITED",
        "LLM_SERVER",
        "LLM_TIMEOUT",
        "LLM_INTERRUPTED",
        "LLM_MALFORMED",
        "LLM_TOO_LARGE",
        "LLM_AUTH",
        "LLM_INVALID_REQUEST",
    ];

    /// The name beside the code.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "LlmUnreachableError",
            Self::Denied { .. } => "LlmDeniedError",
            Self::RateLimited { .. } => "LlmRateLimitedError",
            Self::Server { .. } => "LlmServerError",
            Self::Timeout { .. } => "LlmTimeoutError",
            Self::Interrupted { .. } => "LlmInterruptedError",
            Self::Malformed { .. } => "LlmMalformedError",
            Self::TooLarge { .. } => "LlmTooLargeError",
            Self::Auth { .. } => "LlmAuthError",
            Self::InvalidRequest { .. } => "LlmInvalidRequestError",
        }
    }

    /// Whether the same request may work at another time.
    pub fn is_recoverable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Timeout { .. }
            | Self::Interrupted { .. }
            | Self::Malformed { .. } => true,
            Self::Denied { .. }
            | Self::TooLarge { .. }
            | Self::Auth { .. }
            | Self::InvalidRequest { .. } => false,
        }
    }

    /// How long the vendor asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the request reached the vendor.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Connect { .. } | Self::Denied { .. } => Sent::No,
            Self::Timeout { .. } | Self::Interrupted { .. } => Sent::Maybe,
            Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Auth { .. }
            | Self::InvalidRequest { .. } => Sent::Yes,
        }
    }

    /// Whether repeating the request cannot repeat an effect: nothing was sent, or the vendor said that
    /// it did nothing (429, 503 with a time to wait).
    pub fn is_safe_to_repeat(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::RateLimited { .. } => true,
            Self::Server {
                status,
                retry_after,
                ..
            } => *status == 503 && retry_after.is_some(),
            _ => false,
        }
    }
}
