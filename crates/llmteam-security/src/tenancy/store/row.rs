//! A tenant as the SQL stores keep it.

use std::sync::Arc;

use super::{Tenant, TenantFilter};
use crate::{
    clock::Timestamp,
    id::TenantId,
    tenancy::{TenantConfig, TenantError},
};

/// What a statement reads: configuration as JSON, version, when deleted. A purged row has no configuration.
pub(super) type Row = (Option<String>, i64, Option<i64>);

/// The tenant of a row; `None` when it was purged.
pub(super) fn read(id: Option<&TenantId>, row: Row) -> Result<Option<Tenant>, TenantError> {
    let (Some(json), version, deleted_at) = row else {
        return Ok(None);
    };
    let damaged = || {
        let id = id.map_or("?", TenantId::as_str);
        TenantError::Store(format!("the row of tenant `{id}` is damaged"))
    };
    let config: TenantConfig = serde_json::from_str(&json).map_err(|_| damaged())?;
    if id.is_some_and(|id| *id != config.tenant_id) {
        return Err(damaged());
    }
    Ok(Some(Tenant {
        config: Arc::new(config),
        version: u64::try_from(version).map_err(|_| damaged())?,
        deleted_at: deleted_at.map(Timestamp::from_micros),
    }))
}

/// The columns of a tenant, in the order of the statements.
pub(super) struct Columns {
    pub(super) tier: &'static str,
    pub(super) is_active: bool,
    pub(super) created_at: i64,
    pub(super) deleted_at: Option<i64>,
    pub(super) version: i64,
    pub(super) config: String,
}

pub(super) fn columns(tenant: &Tenant) -> Result<Columns, TenantError> {
    let config = serde_json::to_string(&*tenant.config)
        .map_err(|error| TenantError::Store(error.to_string()))?;
    Ok(Columns {
        tier: tenant.config.tier.as_str(),
        is_active: tenant.config.is_active,
        created_at: tenant.config.created_at.as_micros(),
        deleted_at: tenant.deleted_at.map(Timestamp::as_micros),
        version: i64::try_from(tenant.version)
            .map_err(|_| TenantError::Store("too many changes".to_owned()))?,
        config,
    })
}

/// The tier of a filter as it is bound; none is the empty text.
pub(super) fn tier(filter: &TenantFilter) -> &'static str {
    filter.tier.map_or("", crate::tenancy::TenantTier::as_str)
}
