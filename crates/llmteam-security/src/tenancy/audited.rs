//! Acts across tenants in the audit trails of those they concern.
//!
//! Invariant: a tenant finds every act on its data in its own trail, which names no other tenant; what concerns several,
//! nobody in particular, or outlives a tenant is in the trail of the installation too.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::admin::{AdminAction, AdminEvent, AdminLog, AdminLogError};
use crate::{
    audit::{Actor, AuditEvent, AuditEventType, AuditSeverity, AuditTrail, store::AuditStore},
    clock::Clock,
    id::TenantId,
};

/// Notes acts across tenants as audit records. Returns when they are durable.
#[derive(Clone, Debug)]
pub struct AuditAdminLog {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    installation: TenantId,
}

impl AuditAdminLog {
    /// Trails in `store`; what concerns no tenant goes to the trail named `installation`.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>, installation: TenantId) -> Self {
        Self {
            store,
            clock,
            installation,
        }
    }

    /// Whether the trail of the installation has the act.
    fn is_noted_for_all(event: &AdminEvent) -> bool {
        event.tenant.is_none()
            || event.target.is_some()
            || event.action == AdminAction::TenantPurged
    }

    async fn log(&self, tenant: &TenantId, event: AuditEvent) -> Result<(), AdminLogError> {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let trail = AuditTrail::new(store, tenant.clone(), clock);
        let logged = trail.log(event).await;
        logged
            .map(drop)
            .map_err(|error| AdminLogError(error.to_string()))
    }
}

#[async_trait]
impl AdminLog for AuditAdminLog {
    async fn record(&self, event: AdminEvent) -> Result<(), AdminLogError> {
        if Self::is_noted_for_all(&event) {
            let made = audit_event(&event, kind(event.action));
            let made = made.with_metadata(parties(&event));
            self.log(&self.installation, made).await?;
        }
        if let Some(tenant) = &event.tenant {
            let made = audit_event(&event, kind(event.action));
            self.log(tenant, made).await?;
        }
        if let Some(target) = &event.target {
            let made = audit_event(&event, kind_for_target(event.action));
            self.log(target, made).await?;
        }
        Ok(())
    }
}

fn kind(action: AdminAction) -> AuditEventType {
    match action {
        AdminAction::ValueRead | AdminAction::KeysListed | AdminAction::TenantCrossed => {
            AuditEventType::AccessGranted
        }
        AdminAction::ValueWritten => AuditEventType::DataUpdated,
        AdminAction::ValueRemoved | AdminAction::TenantPurged => AuditEventType::DataDeleted,
        AdminAction::ValueCopied => AuditEventType::DataExported,
    }
}

/// What the act is for the tenant that receives.
fn kind_for_target(action: AdminAction) -> AuditEventType {
    match action {
        AdminAction::ValueCopied => AuditEventType::DataImported,
        other => kind(other),
    }
}

/// The tenants of an act, for the installation alone.
fn parties(event: &AdminEvent) -> Map<String, Value> {
    let parties = [("tenant", &event.tenant), ("target", &event.target)];
    let named = parties.into_iter().filter_map(|(name, tenant)| {
        let tenant = tenant.as_ref()?.to_string();
        Some((name.to_owned(), Value::String(tenant)))
    });
    named.collect()
}

/// The act without the tenants it concerns.
fn audit_event(event: &AdminEvent, kind: AuditEventType) -> AuditEvent {
    let made = AuditEvent::new(kind)
        .with_action(event.action.as_str())
        .with_severity(AuditSeverity::Warning);
    let made = match &event.principal {
        Some(principal) => made.by(Actor::user(principal)),
        None => made,
    };
    match &event.key {
        Some(key) => made.on("tenant_key", key),
        None => made.on("tenant", ""),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        audit::{AuditQuery, MemoryAuditStore},
        clock::{ManualClock, Timestamp},
        kv::MemoryKeyValueStore,
        principal::Principal,
        tenancy::{AdminCapability, CrossTenantStore},
    };

    fn id(text: &str) -> TenantId {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn each_act_is_in_the_trails_of_those_it_concerns() {
        // covers: TEN-55
        let store = Arc::new(MemoryAuditStore::new().unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
        let log = AuditAdminLog::new(store.clone(), clock.clone(), id("installation"));
        let admin = AdminCapability::grant(&Principal::local(), Arc::new(log)).unwrap();
        let keys = CrossTenantStore::new(Arc::new(MemoryKeyValueStore::default()), admin);
        keys.set_for_tenant(&id("a"), "k", json!(1)).await.unwrap();
        keys.copy_between_tenants(&id("a"), &id("b"), "k")
            .await
            .unwrap();
        keys.list_all("").await.unwrap();

        let actions = async |tenant: &str| {
            let trail = AuditTrail::new(store.clone(), id(tenant), clock.clone());
            let mut records = trail.query(&AuditQuery::default()).await.unwrap();
            records.sort_by_key(crate::audit::AuditRecord::sequence_number);
            let mut actions = Vec::new();
            for record in &records {
                assert_eq!(record.actor_id(), "local");
                // No tenant learns of another.
                assert!(record.metadata().is_empty());
                actions.push(format!("{} {}", record.action(), record.event_type()));
            }
            actions
        };
        let (written, copied, listed) = (
            "tenancy.value_written",
            "tenancy.value_copied",
            "tenancy.keys_listed",
        );
        assert_eq!(
            actions("a").await,
            [
                format!("{written} data.updated"),
                format!("{copied} data.exported")
            ]
        );
        assert_eq!(actions("b").await, [format!("{copied} data.imported")]);
        let all = actions_of(&store, &clock, "installation").await;
        assert_eq!(all, [copied, listed]);
    }

    async fn actions_of(
        store: &Arc<MemoryAuditStore>,
        clock: &Arc<ManualClock>,
        tenant: &str,
    ) -> Vec<String> {
        let trail = AuditTrail::new(store.clone(), id(tenant), clock.clone());
        let mut records = trail.query(&AuditQuery::default()).await.unwrap();
        records.sort_by_key(crate::audit::AuditRecord::sequence_number);
        records.iter().map(|it| it.action().to_owned()).collect()
    }
}
