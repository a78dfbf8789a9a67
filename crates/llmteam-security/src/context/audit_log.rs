//! Attempts on contexts and changes of keys, as records of the audit trail.
//!
//! Invariant: a record is durable when recording returns, says who, what and how it ended, and holds names and never
//! values. A trail takes what happens to its own tenant and refuses the rest.
//! This module does not know when an attempt is recorded: see [`super::agent`] and [`super::crypto`].

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{
    access_log::{AccessAction, AccessAttempt, AccessLog, AccessLogError, AccessOutcome},
    crypto::{KeyAct, KeyEvent, KeyLog},
    role::ViewerRole,
};
use crate::{
    audit::{Actor, AuditEvent, AuditEventType, AuditSeverity, AuditTrail},
    id::TenantId,
};

/// Records in the audit trail of one tenant.
#[derive(Clone, Debug)]
pub struct AuditAccessLog {
    trail: AuditTrail,
}

impl AuditAccessLog {
    /// Records in `trail`.
    pub fn new(trail: AuditTrail) -> Self {
        Self { trail }
    }

    async fn log(&self, tenant: &TenantId, event: AuditEvent) -> Result<(), AccessLogError> {
        if tenant != self.trail.tenant() {
            let own = self.trail.tenant();
            let refused = format!("the trail of tenant `{own}` takes nothing of tenant `{tenant}`");
            return Err(AccessLogError(refused));
        }
        let logged = self.trail.log(event).await;
        logged
            .map(drop)
            .map_err(|error| AccessLogError(error.to_string()))
    }
}

#[async_trait]
impl AccessLog for AuditAccessLog {
    async fn record(&self, attempt: &AccessAttempt) -> Result<(), AccessLogError> {
        self.log(&attempt.tenant, event_of(attempt)).await
    }
}

#[async_trait]
impl KeyLog for AuditAccessLog {
    async fn record(&self, event: &KeyEvent) -> Result<(), AccessLogError> {
        self.log(&event.tenant, key_event(&event.act)).await
    }
}

fn event_of(attempt: &AccessAttempt) -> AuditEvent {
    let agent = attempt.agent.as_str();
    let event = AuditEvent::new(event_type(attempt))
        .by(actor(attempt))
        .with_agent(agent)
        .with_action(attempt.action.as_str())
        .with_run(attempt.run.as_ref().map_or("", |run| run.as_str()))
        .with_metadata(metadata(attempt));
    let event = match (&attempt.field, attempt.action.is_sealed()) {
        (Some(field), true) => event.on("sealed_data", format!("{agent}:{field}")),
        _ => event.on("agent_context", agent),
    };
    match &attempt.outcome {
        AccessOutcome::Granted => event,
        AccessOutcome::Failed { code } => event.failed(*code).with_severity(AuditSeverity::Warning),
        AccessOutcome::Denied { reason } => {
            event.failed(*reason).with_severity(AuditSeverity::Warning)
        }
    }
}

fn event_type(attempt: &AccessAttempt) -> AuditEventType {
    if matches!(attempt.outcome, AccessOutcome::Denied { .. }) {
        return AuditEventType::AccessDenied;
    }
    match attempt.action {
        AccessAction::View if attempt.administration.is_some() => AuditEventType::AccessGranted,
        AccessAction::View | AccessAction::OwnerView => AuditEventType::ContextAccessed,
        AccessAction::ChangePolicy => AuditEventType::PolicyChanged,
        AccessAction::Export => AuditEventType::DataExported,
        AccessAction::SetSealed
        | AccessAction::GetSealed
        | AccessAction::DeleteSealed
        | AccessAction::ListSealed
        | AccessAction::Unseal => AuditEventType::SealedDataAccessed,
    }
}

fn actor(attempt: &AccessAttempt) -> Actor {
    match attempt.viewer_role {
        None | Some(ViewerRole::Agent) => Actor::agent(&attempt.viewer),
        Some(ViewerRole::PipelineOrch) => Actor::pipeline_orchestrator(&attempt.viewer),
        Some(ViewerRole::GroupOrch) => Actor::group_orchestrator(&attempt.viewer),
        Some(ViewerRole::System) => Actor::system(),
    }
}

fn metadata(attempt: &AccessAttempt) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("viewer".to_owned(), json!(attempt.viewer));
    metadata.insert("viewer_tenant".to_owned(), json!(attempt.viewer_tenant));
    metadata.insert("fields_visible".to_owned(), json!(attempt.fields_visible));
    metadata.extend(
        attempt
            .field
            .as_ref()
            .map(|it| ("field".to_owned(), json!(it))),
    );
    let reason = attempt.administration.as_ref();
    metadata.extend(reason.map(|it| ("administration".to_owned(), json!(it))));
    metadata
}

fn key_event(act: &KeyAct) -> AuditEvent {
    let changed = |action, value: Value| {
        let event = AuditEvent::new(AuditEventType::ConfigChanged).with_action(action);
        match value {
            Value::Object(map) => event.with_metadata(map),
            _ => event,
        }
    };
    match act {
        KeyAct::Rotate { from } => changed("rotate_key", json!({"from_version": from.0}))
            .on("tenant_key", from.to_string()),
        KeyAct::Rewrap { dek, from, to } => changed(
            "rewrap_data_key",
            json!({"from_version": from.0, "to_version": to.0}),
        )
        .on("data_key", dek.to_string()),
        KeyAct::Retire { version } => changed("retire_key", json!({"up_to_version": version.0}))
            .on("tenant_key", version.to_string()),
        KeyAct::Shred { run } => AuditEvent::new(AuditEventType::DataDeleted)
            .with_action("erase_run")
            .with_run(run.as_str())
            .on("run", run.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        audit::{AuditQuery, AuditRecord, MemoryAuditStore, OrderBy, verify::VerifyOptions},
        clock::{ManualClock, Timestamp},
        context::{
            ContextAccessPolicy, ContextServices, Lineage, SensitivityLevel, create_secure_context,
            crypto::{MemoryDekStore, MemoryKeys, Vault},
        },
    };

    #[tokio::test]
    async fn each_attempt_is_one_record_of_the_trail_and_its_values_are_in_none() {
        // covers: CTX-08, CTX-25, CTX-28
        let (tenant, run): (TenantId, _) = ("acme".parse().unwrap(), "r1".parse().unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
        let store = Arc::new(MemoryAuditStore::new().unwrap());
        let trail = AuditTrail::new(store, tenant.clone(), clock.clone());
        let log = Arc::new(AuditAccessLog::new(trail.clone()));
        let keys = Arc::new(MemoryKeys::new());
        keys.create(&tenant).unwrap();
        let deks = Arc::new(MemoryDekStore::new());
        let vault = Vault::new(keys, deks, log.clone(), clock.clone());
        let lineage = Lineage::new();
        let add = |id: &str, role, parent: Option<&str>| {
            let parent = parent.map(|it| it.parse().unwrap());
            lineage
                .add(&tenant, &id.parse().unwrap(), role, parent.as_ref())
                .unwrap()
        };
        let chief = add("chief", ViewerRole::PipelineOrch, None);
        let agent = add("writer", ViewerRole::Agent, Some("chief"));
        let key = vault.run_key(&tenant, &run).await.unwrap();
        let services = ContextServices::new(clock)
            .with_log(log.clone())
            .with_key(key);
        let policy = ContextAccessPolicy::with_sensitivity(SensitivityLevel::Internal);
        let mut context = create_secure_context(&agent, "W", policy, services).unwrap();

        context
            .set_sealed(&agent, "card", json!("4111-2222"))
            .await
            .unwrap();
        context.get_sealed(&agent, "card").await.unwrap();
        context.get_sealed(&chief, "card").await.unwrap_err();
        let view = lineage.viewer(&chief).unwrap();
        context.get_visible_context(&view).await.unwrap();
        context
            .get_visible_context(&lineage.viewer(&agent).unwrap())
            .await
            .unwrap();
        context.seal_field(&view, "status").await.unwrap();
        context.export(&agent, 1).await.unwrap();
        vault.rotate(&tenant).await.unwrap();
        vault.rewrap(&tenant).await.unwrap();
        vault.shred(&tenant, &run).await.unwrap();
        context.get_sealed(&agent, "card").await.unwrap_err();

        let query = AuditQuery {
            order_by: OrderBy::SequenceNumber,
            order_desc: false,
            ..AuditQuery::default()
        };
        let records = trail.query(&query).await.unwrap();
        let told: Vec<_> = records
            .iter()
            .map(|it| {
                (
                    it.event_type().as_str(),
                    it.action(),
                    it.resource_id(),
                    it.success(),
                )
            })
            .filter(|(kind, ..)| *kind != "log.genesis")
            .collect();
        let dek = told[8].2;
        let expected = [
            (
                "security.sealed_data_accessed",
                "set_sealed",
                "writer:card",
                true,
            ),
            (
                "security.sealed_data_accessed",
                "get_sealed",
                "writer:card",
                true,
            ),
            ("security.access_denied", "get_sealed", "writer:card", false),
            ("security.context_accessed", "view", "writer", true),
            ("security.access_denied", "view", "writer", false),
            ("config.policy_changed", "change_policy", "writer", true),
            ("data.exported", "export", "writer", true),
            ("config.changed", "rotate_key", "1", true),
            ("config.changed", "rewrap_data_key", dek, true),
            ("data.deleted", "erase_run", "r1", true),
            (
                "security.sealed_data_accessed",
                "get_sealed",
                "writer:card",
                false,
            ),
        ];
        assert_eq!(told, expected);
        let text =
            serde_json::to_string(&records.iter().map(AuditRecord::to_dict).collect::<Vec<_>>());
        assert!(!text.unwrap().contains("4111"));
        assert!(
            trail
                .verify(VerifyOptions::default())
                .await
                .unwrap()
                .is_valid()
        );

        // A trail takes nothing of another tenant.
        let other: TenantId = "other".parse().unwrap();
        let act = KeyAct::Shred { run };
        let event = KeyEvent {
            tenant: other,
            act,
            at: Timestamp::from_micros(1),
        };
        let refused = KeyLog::record(&*log, &event).await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("takes nothing of tenant `other`"),
            "{refused}"
        );
    }
}
