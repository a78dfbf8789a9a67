//! Limits for each tenant and endpoint, under one limit for each endpoint.
//!
//! Invariant: a tenant's budget is its own: using it up never refuses another tenant while the endpoint as a
//! whole has room; a request is charged to both or to neither. The registry is bounded, for each tenant and
//! in all, so that no tenant can crowd out another; what finds no place is refused, never unlimited.
//! This file does not know how a limit is kept: see [`RateLimiter`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, RwLock},
};

use super::{
    budget::Budget,
    config::RateLimitConfig,
    error::{RateLimitError, checked_name},
    limiter::{RateLimitPermit, RateLimiter},
    sync::PoisonError,
    ticks::Ticks,
};
use crate::{clock::Clock, id::TenantId};

/// Limiters by tenant and endpoint. Share it by `Arc`.
pub struct KeyedRateLimiter {
    config: KeyedRateLimitConfig,
    /// A cell and those under it measure time from one moment.
    ticks: Ticks,
    registry: RwLock<Registry>,
}

/// The limits, and how many of them are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyedRateLimitConfig {
    /// For each tenant at each endpoint. Its strategy is the one that counts.
    pub tenant: RateLimitConfig,
    /// For each endpoint, all tenants together.
    pub endpoint: Option<RateLimitConfig>,
    /// Most endpoints of one tenant.
    pub endpoints_per_tenant: usize,
    /// Most tenants.
    pub tenants: usize,
}

impl Default for KeyedRateLimitConfig {
    fn default() -> Self {
        Self {
            tenant: RateLimitConfig::default(),
            endpoint: None,
            endpoints_per_tenant: 64,
            tenants: 10_000,
        }
    }
}

#[derive(Default)]
struct Registry {
    tenants: HashMap<TenantId, HashMap<Arc<str>, Arc<RateLimiter>>>,
    endpoints: HashMap<Arc<str>, Arc<Budget>>,
}

impl KeyedRateLimiter {
    /// No limiter yet; each is made at its first request.
    ///
    /// # Errors
    /// [`RateLimitError::InvalidConfig`].
    pub fn new(
        config: KeyedRateLimitConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RateLimitError> {
        config.tenant.clone().validated()?;
        if let Some(endpoint) = config.endpoint.clone() {
            endpoint.validated()?;
        }
        Ok(Self {
            config,
            ticks: Ticks::new(clock),
            registry: RwLock::default(),
        })
    }

    /// Admission for one request of `tenant` to `endpoint`; see [`RateLimiter::acquire`].
    ///
    /// # Errors
    /// As there, and [`RateLimitError::TooManyEndpoints`] and [`RateLimitError::InvalidName`].
    pub async fn acquire(
        &self,
        tenant: &TenantId,
        endpoint: &str,
    ) -> Result<RateLimitPermit, RateLimitError> {
        self.limiter(tenant, endpoint)?.acquire().await
    }

    /// The limiter of `tenant` at `endpoint`, made if it is new.
    ///
    /// # Errors
    /// [`RateLimitError::TooManyEndpoints`] and [`RateLimitError::InvalidName`].
    pub fn limiter(
        &self,
        tenant: &TenantId,
        endpoint: &str,
    ) -> Result<Arc<RateLimiter>, RateLimitError> {
        let known = {
            let registry = self.registry.read();
            let registry = registry.unwrap_or_else(PoisonError::into_inner);
            let of_tenant = registry.tenants.get(tenant);
            of_tenant.and_then(|of_tenant| of_tenant.get(endpoint).cloned())
        };
        known.map_or_else(|| self.insert(tenant, endpoint), Ok)
    }

    fn insert(
        &self,
        tenant: &TenantId,
        endpoint: &str,
    ) -> Result<Arc<RateLimiter>, RateLimitError> {
        let name = checked_name(endpoint)?;
        let registry = self.registry.write();
        let mut registry = registry.unwrap_or_else(PoisonError::into_inner);
        let full = |maximum| RateLimitError::TooManyEndpoints {
            name: Arc::clone(&name),
            maximum,
        };
        let of_tenant = registry.tenants.get(tenant);
        if of_tenant.is_none() && registry.tenants.len() >= self.config.tenants {
            return Err(full(self.config.tenants));
        }
        if let Some(limiter) = of_tenant.and_then(|of_tenant| of_tenant.get(&name)) {
            return Ok(Arc::clone(limiter));
        }
        if of_tenant.map_or(0, HashMap::len) >= self.config.endpoints_per_tenant {
            return Err(full(self.config.endpoints_per_tenant));
        }
        let above = self.config.endpoint.as_ref().map(|config| {
            let shared = registry.endpoints.entry(Arc::clone(&name));
            Arc::clone(shared.or_insert_with(|| Arc::new(Budget::new(config))))
        });
        let (config, ticks) = (self.config.tenant.clone(), self.ticks.clone());
        let limiter = Arc::new(RateLimiter::under(above, endpoint, config, ticks)?);
        let of_tenant = registry.tenants.entry(tenant.clone()).or_default();
        of_tenant.insert(name, Arc::clone(&limiter));
        Ok(limiter)
    }

    /// Forgets a tenant and its budgets, such as one that was deleted, and the endpoints that only it used.
    pub fn forget(&self, tenant: &TenantId) {
        let registry = self.registry.write();
        let mut registry = registry.unwrap_or_else(PoisonError::into_inner);
        registry.tenants.remove(tenant);
        let used = |budget: &Arc<Budget>| Arc::strong_count(budget) > 1;
        registry.endpoints.retain(|_, budget| used(budget));
    }
}

impl fmt::Debug for KeyedRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimiter")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
