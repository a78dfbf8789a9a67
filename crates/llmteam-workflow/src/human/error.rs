//! What can go wrong between a run and the people it asks.

use std::fmt;

use llmteam_security::id::{PrincipalId, RequestId};

use super::interaction::InteractionStatus;

/// One thing wrong with a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: the field, and within its data a JSON Pointer, such as `input_data/amount`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl Fault {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.path, self.message)
    }
}

/// Why an operation on an interaction was refused.
#[derive(Debug, thiserror::Error)]
pub enum HumanError {
    /// The tenant has no such request.
    #[error("request `{0}` does not exist")]
    NotFound(RequestId),
    /// The question cannot be asked; every fault is listed.
    #[error("the request is not valid: {}", join(.0))]
    InvalidRequest(Vec<Fault>),
    /// The answer does not fit the question; every fault is listed.
    #[error("the response is not valid: {}", join(.0))]
    InvalidResponse(Vec<Fault>),
    /// The principal was not asked.
    #[error("`{principal}` may not act on request `{request}`: {reason}")]
    NotAllowed {
        /// The request.
        request: RequestId,
        /// Who tried.
        principal: PrincipalId,
        /// Why not.
        reason: &'static str,
    },
    /// The request was answered, withdrawn or timed out before.
    #[error("request `{request}` is already {status}")]
    AlreadyClosed {
        /// The request.
        request: RequestId,
        /// How it was closed.
        status: InteractionStatus,
    },
    /// Somebody else is working on the request.
    #[error("request `{request}` is already claimed by `{claimant}`")]
    AlreadyClaimed {
        /// The request.
        request: RequestId,
        /// Who claimed it.
        claimant: PrincipalId,
    },
    /// The answer was given to something else than what is asked now.
    #[error("the subject of request `{0}` is not the one that was answered")]
    SubjectChanged(RequestId),
    /// Others kept changing the request at the same time.
    #[error("request `{0}` is being changed by others; try again")]
    Contended(RequestId),
    /// The store failed; nothing was changed.
    #[error("the interaction store is unavailable: {0}")]
    Unavailable(String),
}

impl HumanError {
    /// The error's code in the register.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "INTERACTION_NOT_FOUND",
            Self::InvalidRequest(_) => "INVALID_INTERACTION",
            Self::InvalidResponse(_) => "INVALID_RESPONSE",
            Self::NotAllowed { .. } => "NOT_ALLOWED",
            Self::AlreadyClosed { .. } => "ALREADY_CLOSED",
            Self::AlreadyClaimed { .. } => "ALREADY_CLAIMED",
            Self::SubjectChanged(_) => "SUBJECT_CHANGED",
            Self::Contended(_) => "INTERACTION_CONTENDED",
            Self::Unavailable(_) => "STORE_UNAVAILABLE",
        }
    }

    /// All codes, for the register of error codes.
    pub const CODES: [&'static str; 9] = [
        "INTERACTION_NOT_FOUND",
        "INVALID_INTERACTION",
        "INVALID_RESPONSE",
        "NOT_ALLOWED",
        "ALREADY_CLOSED",
        "ALREADY_CLAIMED",
        "SUBJECT_CHANGED",
        "INTERACTION_CONTENDED",
        "STORE_UNAVAILABLE",
    ];

    /// The name beside the code.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "InteractionNotFoundError",
            Self::InvalidRequest(_) => "InvalidInteractionError",
            Self::InvalidResponse(_) => "InvalidResponseError",
            Self::NotAllowed { .. } => "NotAllowedError",
            Self::AlreadyClosed { .. } => "AlreadyClosedError",
            Self::AlreadyClaimed { .. } => "AlreadyClaimedError",
            Self::SubjectChanged(_) => "SubjectChangedError",
            Self::Contended(_) => "InteractionContendedError",
            Self::Unavailable(_) => "StoreUnavailableError",
        }
    }
}

/// What cannot be recorded does not happen.
impl From<llmteam_security::audit::AuditError> for HumanError {
    fn from(error: llmteam_security::audit::AuditError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(feature = "sqlite")]
impl From<llmteam_security::sql::SqlError> for HumanError {
    fn from(error: llmteam_security::sql::SqlError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(feature = "sqlite")]
impl From<sqlx::Error> for HumanError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

fn join(faults: &[Fault]) -> String {
    faults
        .iter()
        .map(Fault::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page() {
        let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        for code in HumanError::CODES {
            let page = std::fs::read_to_string(format!("{pages}/{code}.md")).unwrap();
            assert!(page.starts_with(&format!("# {code}\n")), "{code}");
        }
    }

    #[test]
    fn a_message_lists_every_fault() {
        let faults = vec![
            Fault::new("title", "must not be empty"),
            Fault::new("timeout", "is zero"),
        ];
        let error = HumanError::InvalidRequest(faults);
        assert_eq!(
            error.to_string(),
            "the request is not valid: `title`: must not be empty; `timeout`: is zero"
        );
    }
}
