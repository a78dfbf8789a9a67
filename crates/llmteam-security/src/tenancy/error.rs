//! What a tenant, or who speaks for one, is refused.

use super::{admin::AdminLogError, limits::LimitKind};
use crate::{
    audit::AuditError,
    id::{InvalidId, TenantId},
    kv::KvError,
};

/// Why tenancy refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// There is no such tenant, or it was deleted.
    #[error("tenant `{tenant_id}` does not exist; create it first")]
    NotFound {
        /// Who was looked for.
        tenant_id: TenantId,
    },
    /// The tenant is switched off.
    #[error("tenant `{tenant_id}` is not active; activate it before anything is done for it")]
    Inactive {
        /// Who is switched off.
        tenant_id: TenantId,
    },
    /// The id is taken, or was before: ids are never given twice.
    #[error("tenant `{tenant_id}` exists, or did before; choose another id")]
    AlreadyExists {
        /// The id.
        tenant_id: TenantId,
    },
    /// Somebody else changed the tenant since it was read.
    #[error(
        "tenant `{tenant_id}` is at version {found}, not {expected}; read it again and repeat the change"
    )]
    Conflict {
        /// Whose configuration.
        tenant_id: TenantId,
        /// The version the change was made from.
        expected: u64,
        /// The version that is stored.
        found: u64,
    },
    /// Only what was deleted is purged.
    #[error("tenant `{tenant_id}` is not deleted; delete it before its data is purged")]
    NotDeleted {
        /// Who is still there.
        tenant_id: TenantId,
    },
    /// More than the tenant may use.
    #[error(
        "tenant `{tenant_id}` uses {current} of {maximum} `{limit_type}`; wait or raise the limit"
    )]
    LimitExceeded {
        /// Whose limit.
        tenant_id: TenantId,
        /// What is limited.
        limit_type: LimitKind,
        /// What is in use, without what was asked for.
        current: u64,
        /// The limit.
        maximum: u64,
    },
    /// No limit has this name.
    #[error("`{0}` is not the name of a limit")]
    UnknownLimit(String),
    /// The tenant does not have the feature.
    #[error("tenant `{tenant_id}` does not have feature `{feature}`")]
    FeatureDisabled {
        /// Whose features.
        tenant_id: TenantId,
        /// The feature.
        feature: String,
    },
    /// The tenant may not take the action.
    #[error("tenant `{tenant_id}` may not take action `{action}`")]
    ActionBlocked {
        /// Whose actions.
        tenant_id: TenantId,
        /// The action.
        action: String,
    },
    /// Nothing says for whom the code runs.
    #[error("no tenant is current; enter a tenant's context first")]
    NoContext,
    /// Work for one tenant would go on as another, and nobody noted it.
    #[error(
        "work for tenant `{from}` may not go on as tenant `{to}`; ask for a context where it is entered"
    )]
    Crossing {
        /// The current tenant.
        from: TenantId,
        /// The tenant that was to be entered.
        to: TenantId,
    },
    /// A text that is no tenant id.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// A configuration that is not taken.
    #[error("`{field}` of tenant `{tenant_id}` {reason}")]
    InvalidConfig {
        /// Whose configuration.
        tenant_id: TenantId,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Who asked may not act for the installation.
    #[error("principal `{0}` is no operator")]
    NotAnOperator(crate::id::PrincipalId),
    /// What must be noted could not be, so it was not done.
    #[error("nothing was done, since it could not be noted: {0}")]
    Unnoted(#[from] AdminLogError),
    /// The data of a tenant could not be erased, so the tenant was not purged.
    #[error("`{holder}` still holds data of tenant `{tenant_id}`: {reason}")]
    DataRemains {
        /// Whose data.
        tenant_id: TenantId,
        /// Who holds it.
        holder: String,
        /// Why it could not be erased.
        reason: String,
    },
    /// The store could not be reached, or failed.
    #[error("the tenant store failed: {0}")]
    Store(String),
    /// The key-value store failed.
    #[error(transparent)]
    KeyValue(KvError),
}

impl From<KvError> for TenantError {
    fn from(error: KvError) -> Self {
        match error {
            KvError::NoTenant => Self::NoContext,
            other => Self::KeyValue(other),
        }
    }
}

impl From<AuditError> for TenantError {
    fn from(error: AuditError) -> Self {
        Self::Store(error.to_string())
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl From<crate::sql::SqlError> for TenantError {
    fn from(error: crate::sql::SqlError) -> Self {
        Self::Store(error.to_string())
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl From<sqlx::Error> for TenantError {
    fn from(error: sqlx::Error) -> Self {
        crate::sql::SqlError::from(error).into()
    }
}
