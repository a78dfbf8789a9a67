//! On whose behalf code runs, what that tenant may use, and its part of what is shared.
//!
//! Invariant: without a tenant nothing is answered, and there is no tenant by default; what belongs to one tenant is
//! neither seen nor changed by work for another. This module does not know agents, workflows or routes.
//!
//! ```
//! use std::sync::Arc;
//!
//! use llmteam_security::{
//!     clock::SystemClock,
//!     kv::{KeyValueStore, MemoryKeyValueStore},
//!     tenancy::{LimitKind, MemoryTenantStore, TenantConfig, TenantIsolatedStore, TenantManager, TenantTier},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let store = Arc::new(MemoryTenantStore::default());
//! let tenants = TenantManager::new(store, Arc::new(SystemClock));
//! let mut acme = TenantConfig::new("acme".parse()?, "Acme Ltd.");
//! acme.tier = TenantTier::Starter;
//! tenants.create_tenant(acme).await?;
//!
//! // One shared store; each tenant sees its own part, and without a tenant there is none.
//! let notes = TenantIsolatedStore::new(Arc::new(MemoryKeyValueStore::default()));
//! assert!(notes.get("greeting").await.is_err());
//! let acme = "acme".parse()?;
//! tenants.context(&acme).await?.scope(async {
//!     notes.set("greeting", "hello".into()).await
//! }).await??;
//!
//! // What counts against a limit is held until it is dropped.
//! let first = tenants.reserve(&acme, LimitKind::ConcurrentPipelines, 2).await?;
//! assert!(tenants.reserve(&acme, LimitKind::ConcurrentPipelines, 1).await.is_err());
//! drop(first);
//! assert!(tenants.reserve(&acme, LimitKind::ConcurrentPipelines, 1).await.is_ok());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod admin;
mod audited;
mod cache;
mod config;
mod context;
mod cross;
mod error;
mod isolation;
mod limits;
mod manager;
mod scope;
mod stack;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod tier;
mod usage;

#[cfg(feature = "postgres")]
pub use self::store::PostgresTenantStore;
#[cfg(feature = "sqlite")]
pub use self::store::SqliteTenantStore;
pub use self::{
    admin::{AdminAction, AdminCapability, AdminEvent, AdminLog, AdminLogError, MemoryAdminLog},
    audited::AuditAdminLog,
    cache::CacheConfig,
    config::TenantConfig,
    context::{
        TenantContext, TenantGuard, get_current_config, get_current_tenant, in_current_tenant,
        require_tenant_context, with_current_tenant,
    },
    cross::CrossTenantStore,
    error::TenantError,
    isolation::TenantIsolatedStore,
    limits::{Limit, LimitKind, TenantLimits},
    manager::{TenantData, TenantKeys, TenantManager},
    scope::{InstanceScope, TenantScope},
    stack::TenantContextStack,
    store::{MemoryTenantStore, Tenant, TenantFilter, TenantStore},
    tier::{TIER_LIMITS, TenantTier, TierLimits, get_tier_limits},
    usage::Reservation,
};
