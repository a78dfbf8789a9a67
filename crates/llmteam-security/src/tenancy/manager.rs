//! Tenants for those who serve them: looked up, changed, held to their limits, entered.
//!
//! Invariant: nothing is granted to a tenant that does not exist, was deleted or is not active, with what was known at
//! most the cache's time to live ago; a change of another is never overwritten unseen. Where work for one tenant would
//! go on as another, that is noted first. This module does not know what is counted, nor where tenants are kept.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{
    admin::{AdminAction, AdminCapability, AdminEvent, AdminLog},
    cache::{Cache, CacheConfig},
    config::TenantConfig,
    context::{TenantContext, get_current_tenant},
    error::TenantError,
    isolation,
    limits::{Limit, LimitKind, TenantLimits},
    store::{Tenant, TenantFilter, TenantStore},
    text::printable,
    usage::{Reservation, Usage},
};
use crate::{audit::Actor, clock::Clock, id::TenantId, kv::KeyValueStore};

/// The tenants of an installation. Clones share cache and counts.
#[derive(Clone, Debug)]
pub struct TenantManager {
    store: Arc<dyn TenantStore>,
    clock: Arc<dyn Clock>,
    log: Option<Arc<dyn AdminLog>>,
    actor: Actor,
    cache: Arc<Cache>,
    usage: Usage,
}

impl TenantManager {
    /// The tenants of `store`, kept for [`CacheConfig::default`].
    pub fn new(store: Arc<dyn TenantStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            log: None,
            actor: Actor::system(),
            cache: Arc::new(Cache::new(CacheConfig::default())),
            usage: Usage::default(),
        }
    }

    /// The same tenants, kept as `cache` says.
    #[must_use]
    pub fn with_cache(self, cache: CacheConfig) -> Self {
        Self {
            cache: Arc::new(Cache::new(cache)),
            ..self
        }
    }

    /// The same tenants, changed by `actor` as far as their audit trails are concerned. The system otherwise.
    #[must_use]
    pub fn acting_as(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// Notes in `log` when work for one tenant goes on as another. Without a log that is refused.
    #[must_use]
    pub fn with_admin_log(self, log: Arc<dyn AdminLog>) -> Self {
        Self {
            log: Some(log),
            ..self
        }
    }

    /// The tenant, for use: it exists and is active.
    pub async fn get_tenant(&self, id: &TenantId) -> Result<Tenant, TenantError> {
        let tenant = self.find_tenant(id).await?;
        if tenant.config.is_active {
            Ok(tenant)
        } else {
            Err(TenantError::Inactive {
                tenant_id: id.clone(),
            })
        }
    }

    /// The tenant, active or not, for who administers it.
    pub async fn find_tenant(&self, id: &TenantId) -> Result<Tenant, TenantError> {
        let now = self.clock.now();
        let tenant = match self.cache.get(id, now) {
            Some(tenant) => Some(tenant),
            None => self.read(id).await?,
        };
        tenant
            .filter(|tenant| tenant.deleted_at.is_none())
            .ok_or_else(|| not_found(id))
    }

    async fn read(&self, id: &TenantId) -> Result<Option<Tenant>, TenantError> {
        let reading = self.cache.begin(self.clock.now());
        let tenant = self.store.get(id).await?;
        if let Some(tenant) = &tenant {
            self.cache.put(reading, tenant);
        }
        Ok(tenant)
    }

    /// Keeps a new tenant, created now.
    pub async fn create_tenant(&self, mut config: TenantConfig) -> Result<Tenant, TenantError> {
        config.check()?;
        let now = self.clock.now();
        (config.created_at, config.updated_at) = (now, now);
        let reading = self.cache.begin(now);
        let tenant = self.store.create(&config, &self.actor).await?;
        self.cache.put(reading, &tenant);
        Ok(tenant)
    }

    /// Changes a tenant that was read at `version`; [`TenantError::Conflict`] when somebody else has changed it since.
    pub async fn update_tenant(
        &self,
        mut config: TenantConfig,
        version: u64,
    ) -> Result<Tenant, TenantError> {
        config.check()?;
        config.updated_at = self.clock.now();
        let reading = self.cache.begin(config.updated_at);
        let tenant = self.store.update(&config, version, &self.actor).await?;
        self.cache.put(reading, &tenant);
        Ok(tenant)
    }

    /// Marks a tenant as deleted: it is refused from now on, its data stays until [`Self::purge_tenant`], and its
    /// id is never given again.
    pub async fn delete_tenant(&self, id: &TenantId) -> Result<(), TenantError> {
        let now = self.clock.now();
        let reading = self.cache.begin(now);
        let tenant = self.store.delete(id, now, &self.actor).await?;
        self.cache.put(reading, &tenant);
        Ok(())
    }

    /// Erases what `holders` hold of a deleted tenant, then what the tenant store does, apart from the id.
    /// A holder that fails stops it; doing it again goes on.
    pub async fn purge_tenant(
        &self,
        admin: &AdminCapability,
        id: &TenantId,
        holders: &[&dyn TenantData],
    ) -> Result<(), TenantError> {
        let tenant = self.store.get(id).await?.ok_or_else(|| not_found(id))?;
        if tenant.deleted_at.is_none() {
            return Err(TenantError::NotDeleted {
                tenant_id: id.clone(),
            });
        }
        let noted = admin.note(AdminAction::TenantPurged, Some(id), None, None);
        noted.await?;
        for holder in holders {
            holder
                .erase(id)
                .await
                .map_err(|reason| TenantError::DataRemains {
                    tenant_id: id.clone(),
                    holder: holder.name().to_owned(),
                    reason,
                })?;
        }
        self.store.purge(id, self.clock.now()).await?;
        self.cache.invalidate(Some(id));
        Ok(())
    }

    /// Active tenants, newest first, `limit` of them after the first `offset`.
    pub async fn list_tenants(&self, limit: u32, offset: u32) -> Result<Vec<Tenant>, TenantError> {
        self.store
            .list(&TenantFilter::default(), limit, offset)
            .await
    }

    /// The limits in force for a configuration.
    pub fn get_limits(&self, config: &TenantConfig) -> TenantLimits {
        config.get_effective_limits()
    }

    /// Whether one more may be added to `current_value`. To count at the same time, [`Self::reserve`].
    pub async fn check_limit(
        &self,
        id: &TenantId,
        kind: LimitKind,
        current_value: u64,
    ) -> Result<bool, TenantError> {
        Ok(self.limit(id, kind).await?.allows(current_value, 1))
    }

    /// Refuses when nothing may be added to `current_value`.
    pub async fn enforce_limit(
        &self,
        id: &TenantId,
        kind: LimitKind,
        current_value: u64,
    ) -> Result<(), TenantError> {
        let limit = self.limit(id, kind).await?;
        match limit.maximum() {
            Some(maximum) if !limit.allows(current_value, 1) => Err(TenantError::LimitExceeded {
                tenant_id: id.clone(),
                limit_type: kind,
                current: current_value,
                maximum,
            }),
            _ => Ok(()),
        }
    }

    /// Takes `amount` of a limit, for this process; dropping the reservation gives it back.
    pub async fn reserve(
        &self,
        id: &TenantId,
        kind: LimitKind,
        amount: u64,
    ) -> Result<Reservation, TenantError> {
        let limit = self.limit(id, kind).await?;
        let now = self.clock.now();
        self.usage.reserve(id, kind, amount, limit, now)
    }

    /// Gives back `amount` of what [`Reservation::keep`] left counted.
    pub fn release(&self, id: &TenantId, kind: LimitKind, amount: u64) {
        self.usage.release(id, kind, amount);
    }

    /// How much of a limit is taken in this process.
    pub fn current_usage(&self, id: &TenantId, kind: LimitKind) -> u64 {
        self.usage.current(id, kind, self.clock.now())
    }

    async fn limit(&self, id: &TenantId, kind: LimitKind) -> Result<Limit, TenantError> {
        let tenant = self.get_tenant(id).await?;
        Ok(tenant.config.limit(kind))
    }

    /// Whether the tenant has the feature.
    pub async fn check_feature(&self, id: &TenantId, feature: &str) -> Result<bool, TenantError> {
        let tenant = self.get_tenant(id).await?;
        Ok(tenant.config.has_feature(feature))
    }

    /// Refuses when the tenant does not have the feature.
    pub async fn require_feature(&self, id: &TenantId, feature: &str) -> Result<(), TenantError> {
        if self.check_feature(id, feature).await? {
            Ok(())
        } else {
            Err(TenantError::FeatureDisabled {
                tenant_id: id.clone(),
                feature: printable(feature),
            })
        }
    }

    /// Refuses when the tenant may not take the action.
    pub async fn require_action(&self, id: &TenantId, action: &str) -> Result<(), TenantError> {
        if self.get_tenant(id).await?.config.is_action_allowed(action) {
            Ok(())
        } else {
            Err(TenantError::ActionBlocked {
                tenant_id: id.clone(),
                action: printable(action),
            })
        }
    }

    /// The right to run code for a tenant that exists and is active. Asked for while another tenant is current, the
    /// change is noted first, and refused without a log.
    pub async fn context(&self, id: &TenantId) -> Result<TenantContext, TenantError> {
        let tenant = self.get_tenant(id).await?;
        if let Some(from) = get_current_tenant().filter(|from| from != id) {
            self.note_crossing(from, id).await?;
        }
        Ok(TenantContext::issued(tenant.config))
    }

    async fn note_crossing(&self, from: TenantId, to: &TenantId) -> Result<(), TenantError> {
        let Some(log) = &self.log else {
            return Err(TenantError::Crossing {
                from,
                to: to.clone(),
            });
        };
        let event = AdminEvent {
            principal: None,
            action: AdminAction::TenantCrossed,
            tenant: Some(from),
            target: Some(to.clone()),
            key: None,
        };
        Ok(log.record(event).await?)
    }

    /// Forgets what was read of one tenant, or of all, in this process.
    pub fn invalidate_cache(&self, id: Option<&TenantId>) {
        self.cache.invalidate(id);
    }

    /// Reads tenants ahead of their use; those that are not there are passed over.
    pub async fn preload_cache(&self, ids: &[TenantId]) -> Result<(), TenantError> {
        for id in ids {
            self.read(id).await?;
        }
        Ok(())
    }
}

fn not_found(id: &TenantId) -> TenantError {
    TenantError::NotFound {
        tenant_id: id.clone(),
    }
}

/// Something that holds data of tenants and can erase one's.
#[async_trait]
pub trait TenantData: Send + Sync + fmt::Debug {
    /// What it is called in messages.
    fn name(&self) -> &str;

    /// Erases all data of the tenant. Doing it again is no error. The error says why something remains.
    async fn erase(&self, tenant: &TenantId) -> Result<(), String>;
}

/// The keys of a tenant and of its instances in a shared store, as data to be erased.
#[derive(Clone, Debug)]
pub struct TenantKeys {
    name: String,
    store: Arc<dyn KeyValueStore>,
}

impl TenantKeys {
    /// The keys in `store`, called `name` in messages.
    pub fn new(name: impl Into<String>, store: Arc<dyn KeyValueStore>) -> Self {
        Self {
            name: name.into(),
            store,
        }
    }
}

#[async_trait]
impl TenantData for TenantKeys {
    fn name(&self) -> &str {
        &self.name
    }

    async fn erase(&self, tenant: &TenantId) -> Result<(), String> {
        let erased = isolation::erase(&*self.store, tenant).await;
        erased.map(drop).map_err(|error| error.to_string())
    }
}
