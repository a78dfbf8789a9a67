//! What can be refused around a context.
//!
//! Invariant: no message holds a value of a context. A refusal to a stranger is the same whether or not the thing it
//! asked for exists.

use super::{
    access_log::AccessLogError, crypto::SealError, policy::Refusal, random::NoRandomness,
    visibility::SensitivityLevel,
};
use crate::id::{AgentId, TenantId};

/// Why something around a context did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ContextAccessError {
    /// The requester may not do this to the context.
    #[error("`{viewer_id}` may not reach the context of `{agent}`: {reason}")]
    ContextAccess {
        /// Whose context it is.
        agent: AgentId,
        /// Who asked.
        viewer_id: AgentId,
        /// The field it asked for, if it was one.
        field_name: Option<String>,
        /// Why it was refused.
        reason: Refusal,
    },
    /// Somebody who is not the owner asked for something sealed. The same for names that exist and names that do not.
    #[error("`{requester_id}` may not reach sealed `{field_name}` of `{owner_id}`")]
    SealedDataAccess {
        /// Whose context it is.
        owner_id: AgentId,
        /// Who asked.
        requester_id: AgentId,
        /// The name it asked for.
        field_name: String,
    },
    /// The owner asked for a sealed value that is not there.
    #[error("nothing is sealed under `{field}`")]
    NothingSealed {
        /// The name.
        field: String,
    },
    /// A plain value was offered where the name is sealed.
    #[error(
        "`{field}` is sealed and takes no plain value; use `set_sealed`, or `unseal_field` first"
    )]
    SealedName {
        /// The name.
        field: String,
    },
    /// The name cannot be sealed.
    #[error("`{field}` cannot be sealed: a view without it says nothing")]
    NotSealable {
        /// The name.
        field: String,
    },
    /// A value was to be sealed under the name of a built-in field.
    #[error("`{field}` is a built-in field; seal it with `seal_field`")]
    BuiltIn {
        /// The name.
        field: String,
    },
    /// Something is larger than a context holds.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The limit, in the unit that `what` names.
        limit: usize,
    },
    /// A confidence is not a number.
    #[error("a confidence is a number from 0 to 1, not NaN")]
    NotAConfidence,
    /// The policy asks for a log of accesses, and the context has none.
    #[error("the context of `{agent}` needs an access log: {why}; give it one")]
    LogRequired {
        /// Whose context it is.
        agent: AgentId,
        /// Which part of the policy asks for it.
        why: &'static str,
    },
    /// The policy asks for encryption, and the context has no key.
    #[error("the context of `{agent}` needs a run key: {why}; give it one")]
    CipherRequired {
        /// Whose context it is.
        agent: AgentId,
        /// What asks for it.
        why: &'static str,
    },
    /// The key given to a context is of another tenant.
    #[error("the run key belongs to tenant `{key}`, the context to `{tenant}`")]
    ForeignKey {
        /// The tenant of the key.
        key: TenantId,
        /// The tenant of the context.
        tenant: TenantId,
    },
    /// The access could not be recorded, so it did not happen.
    #[error("the access to `{agent}` was not recorded and did not happen: {source}")]
    NotRecorded {
        /// Whose context it is.
        agent: AgentId,
        /// What the log said.
        source: AccessLogError,
    },
    /// A sealed value could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// An exported context opens, and its content is not one of this program.
    #[error("the exported context of `{agent}` cannot be read: {reason}")]
    Export {
        /// Whose context it is.
        agent: AgentId,
        /// What is wrong with it, without content.
        reason: String,
    },
}

impl ContextAccessError {
    /// The error code that callers act on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ContextAccess { .. } => "CONTEXT_DENIED",
            Self::SealedDataAccess { .. } => "SEALED_DENIED",
            Self::NothingSealed { .. } => "NOTHING_SEALED",
            Self::SealedName { .. } => "SEALED_NAME",
            Self::NotSealable { .. }
            | Self::BuiltIn { .. }
            | Self::TooLarge { .. }
            | Self::NotAConfidence
            | Self::ForeignKey { .. } => "CONTEXT_INVALID",
            Self::LogRequired { .. } | Self::CipherRequired { .. } => "CONTEXT_UNPROTECTED",
            Self::NotRecorded { .. } => "ACCESS_UNRECORDED",
            Self::Seal(error) => error.code(),
            Self::Export { .. } => "EXPORT_INVALID",
        }
    }
}

/// Why a lineage did not change or gave nothing out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineageError {
    /// The tenant has no such node.
    #[error("tenant `{tenant}` has no agent `{agent}` in this lineage")]
    Unknown {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
    },
    /// The tenant has such a node already.
    #[error("tenant `{tenant}` already has an agent `{agent}` in this lineage")]
    Duplicate {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
    },
    /// An agent or a system node was to be above another.
    #[error("`{agent}` is no orchestrator and has nobody under it")]
    NotAnOrchestrator {
        /// The node that was to be above.
        agent: AgentId,
    },
    /// A system node was to be under another.
    #[error("`{agent}` serves the whole tenant and stands under nobody")]
    SystemStandsAlone {
        /// The system node.
        agent: AgentId,
    },
    /// A node was to come under itself.
    #[error("`{agent}` cannot stand under `{parent}`, which stands under it")]
    Cycle {
        /// The node that was to move.
        agent: AgentId,
        /// Where it was to go.
        parent: AgentId,
    },
    /// A node is to be removed while others stand under it.
    #[error("`{agent}` still has {children} under it; move or remove them first")]
    HasChildren {
        /// The node.
        agent: AgentId,
        /// How many stand directly under it.
        children: usize,
    },
    /// The token is not of a node that is in the lineage now.
    #[error("the token of `{agent}` is not of this lineage, or its node was removed")]
    ForeignToken {
        /// Whose token it is.
        agent: AgentId,
    },
    /// Only a system node is given administration.
    #[error("`{agent}` has no role `system` and is given no administration")]
    NotSystem {
        /// Whose token it is.
        agent: AgentId,
    },
    /// An administration without a reason.
    #[error("say why administration is needed, in 1 to {limit} bytes")]
    ReasonRequired {
        /// The longest reason.
        limit: usize,
    },
    /// No token could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// A text from outside as a message shows it: short and printable.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect()
}

/// That a policy asks for what is missing, in the words of the error.
pub(super) fn asks(sensitivity: SensitivityLevel) -> &'static str {
    match sensitivity {
        SensitivityLevel::TopSecret => "its sensitivity is `top_secret`",
        _ => "its policy says so",
    }
}
