//! The handle by which code reaches its tenant's part of what is shared.
//!
//! Invariant: an instance's scope is made from its tenant's, and a tenant's from a context; a scope names one part and
//! can widen to no other.

use std::sync::Arc;

use super::{context::require_tenant_context, error::TenantError};
use crate::{
    id::{InstanceId, TenantId},
    kv::{KeyCodec, KeyValueStore, ScopedStore},
};

/// One tenant's part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    pub(super) fn new(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The part of the current tenant; [`TenantError::NoContext`] when there is none.
    pub fn current() -> Result<Self, TenantError> {
        require_tenant_context().map(Self::new)
    }

    /// Whose part it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The part of one instance of this tenant.
    pub fn instance(&self, instance: InstanceId) -> InstanceScope {
        InstanceScope {
            tenant: self.clone(),
            instance,
        }
    }

    /// What all instances of the tenant share in `store`.
    pub fn store(&self, store: Arc<dyn KeyValueStore>) -> ScopedStore {
        ScopedStore::new(store, KeyCodec::tenant(&self.tenant))
    }
}

/// One instance's part of its tenant's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceScope {
    tenant: TenantScope,
    instance: InstanceId,
}

impl InstanceScope {
    /// The tenant's part around it.
    pub fn tenant_scope(&self) -> &TenantScope {
        &self.tenant
    }

    /// Which instance.
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// What is the instance's own in `store`.
    pub fn store(&self, store: Arc<dyn KeyValueStore>) -> ScopedStore {
        ScopedStore::new(
            store,
            KeyCodec::instance(&self.tenant.tenant, &self.instance),
        )
    }
}
