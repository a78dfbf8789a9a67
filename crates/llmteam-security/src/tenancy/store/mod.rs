//! Where tenants are kept.
//!
//! Invariant: a tenant is created once and its id never given again; a change is made only from the version that was
//! read; what is read is a snapshot that nobody can change. A store that was given audit trails records each change in
//! the tenant's own trail, in the commit of the change. Every store passes [`contract`].

#[cfg(test)]
mod contract;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

pub use self::memory::MemoryTenantStore;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresTenantStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteTenantStore;
use super::{config::TenantConfig, error::TenantError, tier::TenantTier};
use crate::{audit::Actor, clock::Timestamp, id::TenantId};

/// A tenant as it was when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// Its configuration.
    pub config: Arc<TenantConfig>,
    /// Goes up by one with each change, from 1.
    pub version: u64,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// Which tenants are meant. By default all that are active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantFilter {
    /// Also those that are not active.
    pub include_inactive: bool,
    /// Also those that are deleted; they are not active either.
    pub include_deleted: bool,
    /// Only this tier.
    pub tier: Option<TenantTier>,
}

impl TenantFilter {
    /// Whether the tenant is meant.
    pub fn admits(&self, tenant: &Tenant) -> bool {
        let deleted = tenant.deleted_at.is_some();
        (self.include_inactive || tenant.config.is_active || deleted)
            && (self.include_deleted || !deleted)
            && self.tier.is_none_or(|tier| tier == tenant.config.tier)
    }
}

/// Keeps tenants.
///
/// Deleting is the same everywhere: the row stays with [`Tenant::deleted_at`] and is not active. Purging leaves the id
/// alone. Neither frees the id.
#[async_trait]
pub trait TenantStore: Send + Sync + fmt::Debug {
    /// The tenant, deleted ones included; `None` when it was never created, or is purged.
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, TenantError>;

    /// Keeps a tenant at version 1 if its id was never used, else [`TenantError::AlreadyExists`]. Of several at once
    /// one succeeds. `by` is who is recorded to have done it; so it is with the other changes.
    async fn create(&self, config: &TenantConfig, by: &Actor) -> Result<Tenant, TenantError>;

    /// Replaces the configuration that is stored at `version`, apart from `created_at`; another version is
    /// [`TenantError::Conflict`], a deleted tenant [`TenantError::NotFound`].
    async fn update(
        &self,
        config: &TenantConfig,
        version: u64,
        by: &Actor,
    ) -> Result<Tenant, TenantError>;

    /// Marks the tenant as deleted and not active. A deleted one is [`TenantError::NotFound`].
    async fn delete(&self, id: &TenantId, at: Timestamp, by: &Actor)
    -> Result<Tenant, TenantError>;

    /// Erases everything of a deleted tenant but its id. Who purges has noted it before. One that is not deleted is [`TenantError::NotDeleted`];
    /// a purged one is left as it is.
    async fn purge(&self, id: &TenantId, at: Timestamp) -> Result<(), TenantError>;

    /// Tenants by `created_at`, newest first, then by id: `limit` of them after the first `offset`.
    async fn list(
        &self,
        filter: &TenantFilter,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Tenant>, TenantError>;

    /// How many tenants there are.
    async fn count(&self, filter: &TenantFilter) -> Result<u64, TenantError>;

    /// Active tenants of a tier, newest first.
    async fn list_by_tier(&self, tier: TenantTier) -> Result<Vec<Tenant>, TenantError> {
        let filter = TenantFilter {
            tier: Some(tier),
            ..TenantFilter::default()
        };
        self.list(&filter, u32::MAX, 0).await
    }
}

/// The next state of a stored tenant, decided without knowing the store.
mod transition {
    use super::{Arc, Tenant, TenantConfig, TenantError, TenantId, Timestamp};

    pub(super) fn not_found(id: &TenantId) -> TenantError {
        TenantError::NotFound {
            tenant_id: id.clone(),
        }
    }

    pub(super) fn created(config: &TenantConfig) -> Tenant {
        Tenant {
            config: Arc::new(config.clone()),
            version: 1,
            deleted_at: None,
        }
    }

    pub(super) fn updated(
        stored: &Tenant,
        config: &TenantConfig,
        version: u64,
    ) -> Result<Tenant, TenantError> {
        if stored.deleted_at.is_some() {
            return Err(not_found(&config.tenant_id));
        }
        if stored.version != version {
            return Err(TenantError::Conflict {
                tenant_id: config.tenant_id.clone(),
                expected: version,
                found: stored.version,
            });
        }
        let mut config = config.clone();
        config.created_at = stored.config.created_at;
        config.updated_at = config.updated_at.max(stored.config.updated_at);
        Ok(Tenant {
            config: Arc::new(config),
            version: version + 1,
            deleted_at: None,
        })
    }

    pub(super) fn deleted(stored: &Tenant, at: Timestamp) -> Result<Tenant, TenantError> {
        if stored.deleted_at.is_some() {
            return Err(not_found(&stored.config.tenant_id));
        }
        let mut config = TenantConfig::clone(&stored.config);
        config.is_active = false;
        config.updated_at = at.max(config.updated_at);
        Ok(Tenant {
            config: Arc::new(config),
            version: stored.version + 1,
            deleted_at: Some(at),
        })
    }

    pub(super) fn purgeable(stored: &Tenant) -> Result<(), TenantError> {
        if stored.deleted_at.is_some() {
            Ok(())
        } else {
            Err(TenantError::NotDeleted {
                tenant_id: stored.config.tenant_id.clone(),
            })
        }
    }
}
