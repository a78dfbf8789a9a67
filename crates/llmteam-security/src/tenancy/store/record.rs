//! What a change of a tenant says in that tenant's audit trail.
//!
//! Invariant: a record has who changed what, with the whole configuration before and after. It does not know when it is
//! appended: that is the store's commit.

use super::Tenant;
use crate::audit::{Actor, AuditEvent, AuditEventType};

/// `after` was created.
pub(super) fn created(after: &Tenant, by: &Actor) -> AuditEvent {
    of(AuditEventType::TenantCreated, "create", after, by)
}

/// `before` was replaced by `after`.
pub(super) fn changed(before: &Tenant, after: &Tenant, by: &Actor) -> AuditEvent {
    let (kind, action) = match after.deleted_at {
        Some(_) => (AuditEventType::TenantDeleted, "delete"),
        None => (AuditEventType::TenantUpdated, "update"),
    };
    of(kind, action, after, by).with_old_value(before.config.to_dict())
}

fn of(kind: AuditEventType, action: &str, after: &Tenant, by: &Actor) -> AuditEvent {
    AuditEvent::new(kind)
        .by(by.clone())
        .with_action(action)
        .on("tenant", after.config.tenant_id.as_str())
        .with_detail("version", after.version)
        .with_new_value(after.config.to_dict())
}
