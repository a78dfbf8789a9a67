//! The 25 fields of a record under their names.
//!
//! Invariant: names and forms are those of the reference's `to_dict`; an absent text is empty, an absent map is none.
//! It does not know the canonical form: see [`super::encode`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::AuditError,
    event::{Actor, Details},
    event_type::{ActorType, AuditEventType, AuditSeverity},
    hash::Digest,
    record::{AuditId, AuditRecord},
};
use crate::{clock::Timestamp, id::TenantId};

#[derive(Serialize)]
pub(super) struct View<'a> {
    record_id: AuditId,
    sequence_number: u64,
    timestamp: Timestamp,
    event_type: AuditEventType,
    severity: AuditSeverity,
    tenant_id: &'a str,
    pipeline_id: &'a str,
    run_id: &'a str,
    agent_name: &'a str,
    step_name: &'a str,
    actor_type: ActorType,
    actor_id: &'a str,
    actor_ip: &'a str,
    actor_user_agent: &'a str,
    action: &'a str,
    resource_type: &'a str,
    resource_id: &'a str,
    old_value: Option<&'a Map<String, Value>>,
    new_value: Option<&'a Map<String, Value>>,
    success: bool,
    error_message: &'a str,
    metadata: &'a Map<String, Value>,
    tags: &'a [String],
    checksum: String,
    previous_checksum: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owned {
    record_id: AuditId,
    sequence_number: u64,
    timestamp: Timestamp,
    event_type: AuditEventType,
    #[serde(default = "info")]
    severity: AuditSeverity,
    #[serde(default, with = "or_empty")]
    tenant_id: Option<TenantId>,
    #[serde(default)]
    pipeline_id: String,
    #[serde(default)]
    run_id: String,
    #[serde(default)]
    agent_name: String,
    #[serde(default)]
    step_name: String,
    #[serde(default = "system")]
    actor_type: ActorType,
    #[serde(default)]
    actor_id: String,
    #[serde(default)]
    actor_ip: String,
    #[serde(default)]
    actor_user_agent: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    resource_type: String,
    #[serde(default)]
    resource_id: String,
    #[serde(default)]
    old_value: Option<Map<String, Value>>,
    #[serde(default)]
    new_value: Option<Map<String, Value>>,
    #[serde(default = "yes")]
    success: bool,
    #[serde(default)]
    error_message: String,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default, with = "or_empty")]
    checksum: Option<Digest>,
    #[serde(default, with = "or_empty")]
    previous_checksum: Option<Digest>,
}

fn info() -> AuditSeverity {
    AuditSeverity::Info
}

fn system() -> ActorType {
    ActorType::System
}

fn yes() -> bool {
    true
}

/// A value that is written as an empty text where there is none.
mod or_empty {
    use serde::{
        Deserialize, Deserializer,
        de::{DeserializeOwned, Error},
    };
    use serde_json::Value;

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text.is_empty() => Ok(None),
            value => serde_json::from_value(value)
                .map(Some)
                .map_err(D::Error::custom),
        }
    }
}

pub(super) fn view(record: &AuditRecord) -> View<'_> {
    let it = &record.details;
    let hex = |digest: Option<Digest>| digest.map(|it| it.to_string()).unwrap_or_default();
    View {
        record_id: record.record_id,
        sequence_number: record.sequence_number,
        timestamp: record.timestamp,
        event_type: it.event_type,
        severity: it.severity,
        tenant_id: record
            .tenant_id
            .as_ref()
            .map(TenantId::as_str)
            .unwrap_or_default(),
        pipeline_id: &it.pipeline_id,
        run_id: &it.run_id,
        agent_name: &it.agent_name,
        step_name: &it.step_name,
        actor_type: it.actor.kind,
        actor_id: &it.actor.id,
        actor_ip: &it.actor.ip,
        actor_user_agent: &it.actor.user_agent,
        action: &it.action,
        resource_type: &it.resource_type,
        resource_id: &it.resource_id,
        old_value: it.old_value.as_ref(),
        new_value: it.new_value.as_ref(),
        success: it.success,
        error_message: &it.error_message,
        metadata: &it.metadata,
        tags: &it.tags,
        checksum: hex(record.checksum),
        previous_checksum: hex(record.previous_checksum),
    }
}

impl From<Owned> for AuditRecord {
    fn from(it: Owned) -> Self {
        Self {
            record_id: it.record_id,
            sequence_number: it.sequence_number,
            timestamp: it.timestamp,
            tenant_id: it.tenant_id,
            details: Details {
                event_type: it.event_type,
                severity: it.severity,
                pipeline_id: it.pipeline_id,
                run_id: it.run_id,
                agent_name: it.agent_name,
                step_name: it.step_name,
                actor: Actor {
                    kind: it.actor_type,
                    id: it.actor_id,
                    ip: it.actor_ip,
                    user_agent: it.actor_user_agent,
                },
                action: it.action,
                resource_type: it.resource_type,
                resource_id: it.resource_id,
                old_value: it.old_value,
                new_value: it.new_value,
                success: it.success,
                error_message: it.error_message,
                metadata: it.metadata,
                tags: it.tags,
            },
            checksum: it.checksum,
            previous_checksum: it.previous_checksum,
            envelope: None,
        }
    }
}

pub(super) fn to_value(record: &AuditRecord) -> Value {
    // Texts, numbers and maps with text keys always have a JSON form.
    serde_json::to_value(view(record)).unwrap_or(Value::Null)
}

pub(super) fn from_value(value: Value) -> Result<AuditRecord, AuditError> {
    let read: Result<Owned, _> = serde_json::from_value(value);
    read.map(AuditRecord::from)
        .map_err(|error| AuditError::invalid("an audit record", &error.to_string()))
}

pub(super) fn from_payload(bytes: &[u8]) -> Option<AuditRecord> {
    serde_json::from_slice::<Owned>(bytes).ok().map(Into::into)
}
