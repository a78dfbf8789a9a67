//! The trail of whichever tenant is current.
//!
//! Invariant: without a current tenant every method fails; it never falls back to one.

use std::sync::Arc;

use super::{
    error::AuditError,
    event::AuditEvent,
    query::AuditQuery,
    record::AuditRecord,
    store::AuditStore,
    trail::{AuditTrail, TrailOptions},
    trails::AuditTrails,
};
use crate::{clock::Clock, tenancy::get_current_tenant};

/// Records for the current tenant. Clones are the same.
#[derive(Clone, Debug)]
pub struct TenantAwareAuditTrail {
    trails: AuditTrails,
}

impl TenantAwareAuditTrail {
    /// Trails in `store` of the tenant that is current at each call.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            trails: AuditTrails::new(store, clock),
        }
    }

    /// The same, recording as `options` say.
    #[must_use]
    pub fn with_options(mut self, options: TrailOptions) -> Self {
        self.trails = self.trails.with_options(options);
        self
    }

    /// The trail of the current tenant.
    pub fn trail(&self) -> Result<AuditTrail, AuditError> {
        let tenant = get_current_tenant().ok_or(AuditError::NoTenant)?;
        Ok(self.trails.of(&tenant))
    }

    /// Records `event`; see [`AuditTrail::log`].
    pub async fn log(&self, event: AuditEvent) -> Result<AuditRecord, AuditError> {
        self.trail()?.log(event).await
    }

    /// The records `query` asks for; see [`AuditTrail::query`].
    pub async fn query(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, AuditError> {
        self.trail()?.query(query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{AuditEventType, MemoryAuditStore, store::contract::tenant},
        clock::SystemClock,
        tenancy::TenantContext,
    };

    // covers: AUD-04, AUD-08
    #[tokio::test]
    async fn it_follows_the_tenant_and_fails_without_one() {
        let store = Arc::new(MemoryAuditStore::new().unwrap());
        let trail = TenantAwareAuditTrail::new(store.clone(), Arc::new(SystemClock));
        let event = || AuditEvent::new(AuditEventType::DataCreated);
        assert!(matches!(
            trail.log(event()).await,
            Err(AuditError::NoTenant)
        ));
        assert!(matches!(
            trail.query(&AuditQuery::default()).await,
            Err(AuditError::NoTenant)
        ));
        for (id, count) in [("a", 2), ("b", 1), ("a", 1)] {
            let work = async {
                for _ in 0..count {
                    trail.log(event()).await.unwrap();
                }
                trail.query(&AuditQuery::default()).await.unwrap()
            };
            let seen = TenantContext::for_host(tenant(id))
                .scope(work)
                .await
                .unwrap();
            assert!(seen.iter().all(|it| it.tenant_id() == Some(&tenant(id))));
        }
        assert_eq!(
            (store.count(&tenant("a")), store.count(&tenant("b"))),
            (3, 1)
        );
    }
}
