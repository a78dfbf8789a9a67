//! What can be refused around contexts of a hierarchy.
//!
//! Invariant: who is refused learns nothing of what it asked for; a refused propagation names every fault there is.

use std::fmt;

use llmteam_security::{
    AgentId,
    context::{ContextAccessError, LineageError, Refusal},
};

use super::scope::ContextScope;

/// Why something around a hierarchy of contexts did not happen. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// There is no such context.
    #[error("no context of `{owner_id}`; create it first")]
    Unknown {
        /// Whose context was named.
        owner_id: AgentId,
    },
    /// A context is to stand under one that does not exist.
    #[error(
        "`{owner_id}` cannot stand under `{parent_id}`, which has no context; create that first"
    )]
    UnknownParent {
        /// Whose context was to stand there.
        owner_id: AgentId,
        /// The parent that was named.
        parent_id: AgentId,
    },
    /// There is such a context already.
    #[error("`{owner_id}` already has a context")]
    Duplicate {
        /// Whose context it is.
        owner_id: AgentId,
    },
    /// A context is to stand under one that does not reach further. What would close a circle is refused so too.
    #[error(
        "`{owner_id}` of scope `{scope}` cannot stand under `{parent_id}` of scope `{parent_scope}`; agents stand \
         under pipelines and groups, pipelines under groups"
    )]
    ScopeOrder {
        /// Whose context was to stand there.
        owner_id: AgentId,
        /// Its scope.
        scope: ContextScope,
        /// The parent that was named.
        parent_id: AgentId,
        /// The scope of that.
        parent_scope: ContextScope,
    },
    /// Values do not fit the rules by which they are aggregated.
    #[error("{}", listed(.0))]
    Propagation(
        /// All of them, by context and field.
        Vec<Fault>,
    ),
    /// The field is one that the secure context keeps.
    #[error("the secure context of `{owner_id}` keeps `{field}`; update it there")]
    KeptSecurely {
        /// Whose context it is.
        owner_id: AgentId,
        /// The field.
        field: String,
    },
    /// A secure context was offered to an owner that has one.
    #[error("`{owner_id}` already has a secure context")]
    AlreadySecured {
        /// Whose context it is.
        owner_id: AgentId,
    },
    /// A secure context was offered to somebody else than its owner.
    #[error(
        "`{owner_id}` cannot have the secure context of `{of}`; each is made with its owner's token"
    )]
    ForeignSecureContext {
        /// Who was to have it.
        owner_id: AgentId,
        /// Whose it is.
        of: AgentId,
    },
    /// Who asked for the children of a context does not stand over them.
    #[error("`{viewer_id}` may not see what stands under `{owner_id}`: {reason}")]
    Denied {
        /// Whose children it asked for.
        owner_id: AgentId,
        /// Who asked.
        viewer_id: AgentId,
        /// Why it was refused.
        reason: Refusal,
    },
    /// A secure context could not be looked at.
    #[error(transparent)]
    Access(#[from] ContextAccessError),
    /// The lineage of viewers refused it.
    #[error(transparent)]
    Lineage(#[from] LineageError),
}

impl ContextError {
    /// The error code that callers act on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } | Self::UnknownParent { .. } => "CONTEXT_NOT_FOUND",
            Self::Duplicate { .. } | Self::AlreadySecured { .. } => "CONTEXT_EXISTS",
            Self::ScopeOrder { .. } => "CONTEXT_ORDER",
            Self::Propagation(_) => "PROPAGATION_INVALID",
            Self::KeptSecurely { .. } | Self::ForeignSecureContext { .. } | Self::Lineage(_) => {
                "CONTEXT_INVALID"
            }
            Self::Denied { .. } => "CONTEXT_DENIED",
            Self::Access(error) => error.code(),
        }
    }
}

/// A value that does not fit the rule of its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of `{owner_id}` {kind}")]
pub struct Fault {
    /// Whose value it is.
    pub owner_id: AgentId,
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A number is needed.
    NotANumber {
        /// The JSON type that was found. `null` is also what NaN and infinities become in JSON.
        found: &'static str,
    },
    /// A status is needed, and the value is no text.
    NotAStatus {
        /// The JSON type that was found.
        found: &'static str,
    },
    /// A status is needed, and the text is none of [`STATUS_ORDER`](super::STATUS_ORDER).
    UnknownStatus {
        /// The text, shortened.
        status: String,
    },
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber { found } => write!(f, "must be a number, not {found}"),
            Self::NotAStatus { found } => write!(f, "must be a status, not {found}"),
            Self::UnknownStatus { status } => write!(f, "is `{status}`, which is no known status"),
        }
    }
}

fn listed(faults: &[Fault]) -> String {
    let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
    format!("nothing was propagated: {}", faults.join("; "))
}

/// A text from outside as a message shows it: short and printable.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_propagation_names_each_fault() {
        let fault = |field: &str, kind| Fault {
            owner_id: "a1".parse().unwrap(),
            field: field.to_owned(),
            kind,
        };
        let error = ContextError::Propagation(vec![
            fault("error_count", FaultKind::NotANumber { found: "a string" }),
            fault(
                "status",
                FaultKind::UnknownStatus {
                    status: shown("pa\nused"),
                },
            ),
        ]);
        assert_eq!(error.code(), "PROPAGATION_INVALID");
        assert_eq!(
            error.to_string(),
            "nothing was propagated: `error_count` of `a1` must be a number, not a string; \
             `status` of `a1` is `pa\\nused`, which is no known status"
        );
    }
}
