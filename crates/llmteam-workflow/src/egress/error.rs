//! How an outbound call fails.
//!
//! Invariant: no message holds a header's value, a query string or what precedes `@` in an address.

use std::time::Duration;

use llmteam_orchestration::call::Sent;
use llmteam_security::secret::SecretError;

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The rules forbid the address.
    #[error("outbound call refused: {reason}")]
    Denied {
        /// Which address, and why.
        reason: String,
    },
    /// The peer of the connection is not an address that was checked.
    #[error("outbound call refused: connected to `{address}`, which is not public")]
    WrongPeer {
        /// The peer.
        address: String,
    },
    /// The request cannot be sent as it is.
    #[error("outbound call not possible: {reason}")]
    InvalidRequest {
        /// What is wrong with it.
        reason: String,
    },
    /// A secret that the client needs is not to be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No connection was made.
    #[error("cannot connect: {detail}")]
    Connect {
        /// What went wrong.
        detail: String,
    },
    /// The deadline passed.
    #[error("no whole response within {} s", after.as_secs_f64())]
    Timeout {
        /// How long was waited.
        after: Duration,
        /// `Yes` when the response had begun.
        sent: Sent,
    },
    /// The connection broke, or what came over it was not HTTP.
    #[error("the connection broke: {detail}")]
    Interrupted {
        /// What went wrong.
        detail: String,
        /// `Yes` when the response had begun.
        sent: Sent,
    },
    /// The response is larger than allowed.
    #[error("the response has more than {limit}")]
    TooLarge {
        /// The limit with its unit.
        limit: String,
    },
}

impl EgressError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied { .. } | Self::WrongPeer { .. } => "EGRESS_DENIED",
            Self::InvalidRequest { .. } => "EGRESS_INVALID_REQUEST",
            Self::Secret(_) => "SECRET_DENIED",
            Self::Connect { .. } => "EGRESS_CONNECT",
            Self::Timeout { .. } => "EGRESS_TIMEOUT",
            Self::Interrupted { .. } => "EGRESS_INTERRUPTED",
            Self::TooLarge { .. } => "EGRESS_TOO_LARGE",
        }
    }

    /// All codes, for the register of error codes.
    pub const CODES: [&'static str; 7] = [
        "EGRESS_DENIED",
        "EGRESS_INVALID_REQUEST",
        "SECRET_DENIED",
        "EGRESS_CONNECT",
        "EGRESS_TIMEOUT",
        "EGRESS_INTERRUPTED",
        "EGRESS_TOO_LARGE",
    ];

    /// The name beside the code.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Denied { .. } | Self::WrongPeer { .. } => "EgressDeniedError",
            Self::InvalidRequest { .. } => "EgressInvalidRequestError",
            Self::Secret(_) => "SecretAccessDeniedError",
            Self::Connect { .. } => "EgressConnectError",
            Self::Timeout { .. } => "EgressTimeoutError",
            Self::Interrupted { .. } => "EgressInterruptedError",
            Self::TooLarge { .. } => "EgressTooLargeError",
        }
    }

    /// Whether the same call may work at another time.
    pub fn is_recoverable(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Timeout { .. } | Self::Interrupted { .. }
        )
    }

    /// Whether the request reached the other side.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Denied { .. }
            | Self::InvalidRequest { .. }
            | Self::Secret(_)
            | Self::Connect { .. } => Sent::No,
            Self::WrongPeer { .. } => Sent::Maybe,
            Self::Timeout { sent, .. } | Self::Interrupted { sent, .. } => *sent,
            Self::TooLarge { .. } => Sent::Yes,
        }
    }
}
