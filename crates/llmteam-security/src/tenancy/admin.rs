//! Acting for the installation, across tenants.
//!
//! Invariant: whoever does is an operator and named, and each act is noted before it is done; where it cannot be noted
//! it is not done. This module does not know where the notes go.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::error::TenantError;
use crate::{
    id::{PrincipalId, TenantId},
    principal::{Principal, Role},
};

/// What was done across tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdminAction {
    /// A value of a tenant was read.
    ValueRead,
    /// A value of a tenant was written.
    ValueWritten,
    /// A value of a tenant was removed.
    ValueRemoved,
    /// The keys of a tenant, or of all, were listed.
    KeysListed,
    /// A value was copied to another tenant.
    ValueCopied,
    /// Work for one tenant went on as another.
    TenantCrossed,
    /// A deleted tenant's data was erased.
    TenantPurged,
}

impl AdminAction {
    /// The name, in the form of an audit event's action.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ValueRead => "tenancy.value_read",
            Self::ValueWritten => "tenancy.value_written",
            Self::ValueRemoved => "tenancy.value_removed",
            Self::KeysListed => "tenancy.keys_listed",
            Self::ValueCopied => "tenancy.value_copied",
            Self::TenantCrossed => "tenancy.tenant_crossed",
            Self::TenantPurged => "tenancy.tenant_purged",
        }
    }
}

/// One act across tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminEvent {
    /// Who acted; `None` where code crossed by itself.
    pub principal: Option<PrincipalId>,
    /// What was done.
    pub action: AdminAction,
    /// Whose data; `None` for all tenants.
    pub tenant: Option<TenantId>,
    /// The tenant that received a copy, or as which work went on.
    pub target: Option<TenantId>,
    /// The key, where there is one.
    pub key: Option<String>,
}

/// The note could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AdminLogError(pub String);

/// Where acts across tenants are noted.
#[async_trait]
pub trait AdminLog: Send + Sync + fmt::Debug {
    /// Notes what is about to be done. Returns when the note will not be lost.
    async fn record(&self, event: AdminEvent) -> Result<(), AdminLogError>;
}

/// Notes in memory, for tests and for installations without an audit trail. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct MemoryAdminLog {
    events: Arc<Mutex<Vec<AdminEvent>>>,
}

impl MemoryAdminLog {
    /// What was noted, oldest first.
    pub fn events(&self) -> Vec<AdminEvent> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl AdminLog for MemoryAdminLog {
    async fn record(&self, event: AdminEvent) -> Result<(), AdminLogError> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
        Ok(())
    }
}

/// The right to act for the installation. It names who acts, and cannot be written down or copied.
#[derive(Debug)]
pub struct AdminCapability {
    principal: PrincipalId,
    log: Arc<dyn AdminLog>,
}

impl AdminCapability {
    /// The right of `principal`, who must be an operator; its acts are noted in `log`.
    pub fn grant(principal: &Principal, log: Arc<dyn AdminLog>) -> Result<Self, TenantError> {
        if principal.has_role(&Role::Operator) {
            Ok(Self {
                principal: principal.id.clone(),
                log,
            })
        } else {
            Err(TenantError::NotAnOperator(principal.id.clone()))
        }
    }

    /// Who acts.
    pub fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    pub(super) async fn note(
        &self,
        action: AdminAction,
        tenant: Option<&TenantId>,
        target: Option<&TenantId>,
        key: Option<&str>,
    ) -> Result<(), AdminLogError> {
        let event = AdminEvent {
            principal: Some(self.principal.clone()),
            action,
            tenant: tenant.cloned(),
            target: target.cloned(),
            key: key.map(str::to_owned),
        };
        self.log.record(event).await
    }
}
