//! Recording who reached for what of a context, before it is given out.
//!
//! Invariant: one attempt is one record, allowed or refused, and it holds names and never values. A record is
//! durable when [`AccessLog::record`] returns; what could not be recorded has not happened where the policy says so.
//! This module does not know where records are kept, nor what an attempt gives out.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use serde::Serialize;

use super::{policy::Refusal, role::ViewerRole};
use crate::{
    clock::Timestamp,
    id::{AgentId, RunId, TenantId},
};

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessAction {
    /// A viewer asked for its view.
    View,
    /// The owner asked for its own view, or for a value of its data.
    OwnerView,
    /// A value was to be sealed.
    SetSealed,
    /// A sealed value was asked for.
    GetSealed,
    /// A sealed value was to be deleted.
    DeleteSealed,
    /// The sealed names were asked for, or whether one is there.
    ListSealed,
    /// A name was to be unsealed.
    Unseal,
    /// The policy was to change in another way.
    ChangePolicy,
    /// The whole context was to be exported.
    Export,
}

impl AccessAction {
    /// The name of the action, such as `get_sealed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::OwnerView => "owner_view",
            Self::SetSealed => "set_sealed",
            Self::GetSealed => "get_sealed",
            Self::DeleteSealed => "delete_sealed",
            Self::ListSealed => "list_sealed",
            Self::Unseal => "unseal",
            Self::ChangePolicy => "change_policy",
            Self::Export => "export",
        }
    }

    /// Whether it concerns something sealed.
    pub const fn is_sealed(self) -> bool {
        matches!(
            self,
            Self::SetSealed
                | Self::GetSealed
                | Self::DeleteSealed
                | Self::ListSealed
                | Self::Unseal
                | Self::Export
        )
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessOutcome {
    /// It was allowed.
    Granted,
    /// It was allowed, and what was asked for is not there or cannot be opened.
    Failed {
        /// The error code.
        code: &'static str,
    },
    /// It was refused.
    Denied {
        /// Why.
        reason: &'static str,
    },
}

impl From<Refusal> for AccessOutcome {
    fn from(refusal: Refusal) -> Self {
        let reason = refusal.as_str();
        Self::Denied { reason }
    }
}

/// One attempt to reach a context. Holds names, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessAttempt {
    /// The tenant whose context was reached for.
    pub tenant: TenantId,
    /// The agent whose context was reached for.
    pub agent: AgentId,
    /// The run the context belongs to, if its key says so.
    pub run: Option<RunId>,
    /// Who tried.
    pub viewer: AgentId,
    /// The tenant of who tried.
    pub viewer_tenant: TenantId,
    /// The part it plays; `None` for the holder of a token.
    pub viewer_role: Option<ViewerRole>,
    /// What was tried.
    pub action: AccessAction,
    /// The name it was about: a field, a sealed key, a part of the policy.
    pub field: Option<String>,
    /// How it ended.
    pub outcome: AccessOutcome,
    /// The names that a granted view shows.
    pub fields_visible: Vec<String>,
    /// The reason of the administration that was shown, if one was.
    pub administration: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl AccessAttempt {
    /// Whether it was allowed.
    pub fn is_granted(&self) -> bool {
        self.outcome == AccessOutcome::Granted
    }
}

/// A record could not be made durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the access log cannot be written: {0}")]
pub struct AccessLogError(pub String);

/// Keeps attempts.
#[async_trait]
pub trait AccessLog: Send + Sync + fmt::Debug {
    /// Returns when `attempt` is durable. On an error the caller treats it as not recorded.
    async fn record(&self, attempt: &AccessAttempt) -> Result<(), AccessLogError>;
}

/// Keeps attempts in memory. For tests and for tools that look at them at once.
#[derive(Debug, Default)]
pub struct MemoryAccessLog {
    attempts: Mutex<Vec<AccessAttempt>>,
    broken: Mutex<Option<String>>,
}

impl MemoryAccessLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was recorded, oldest first.
    pub fn attempts(&self) -> Vec<AccessAttempt> {
        self.attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From now on recording fails with `reason`; with `None` it works again.
    pub fn fail_with(&self, reason: Option<&str>) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = reason.map(str::to_owned);
    }
}

#[async_trait]
impl AccessLog for MemoryAccessLog {
    async fn record(&self, attempt: &AccessAttempt) -> Result<(), AccessLogError> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &*broken {
            return Err(AccessLogError(reason.clone()));
        }
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.push(attempt.clone());
        Ok(())
    }
}
