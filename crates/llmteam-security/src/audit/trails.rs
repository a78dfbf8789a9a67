//! The trails of all tenants of one store.

use std::sync::Arc;

use super::{
    store::AuditStore,
    trail::{AuditTrail, TrailOptions},
};
use crate::{clock::Clock, id::TenantId};

/// Hands out each tenant's trail, for stores that serve many tenants. Clones are the same.
#[derive(Clone, Debug)]
pub struct AuditTrails {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    options: Arc<TrailOptions>,
}

impl AuditTrails {
    /// Trails in `store`.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            options: Arc::default(),
        }
    }

    /// The same, recording as `options` say.
    #[must_use]
    pub fn with_options(mut self, options: TrailOptions) -> Self {
        self.options = Arc::new(options);
        self
    }

    /// The trail of `tenant`.
    pub fn of(&self, tenant: &TenantId) -> AuditTrail {
        AuditTrail {
            store: Arc::clone(&self.store),
            tenant: tenant.clone(),
            clock: Arc::clone(&self.clock),
            options: Arc::clone(&self.options),
        }
    }
}
