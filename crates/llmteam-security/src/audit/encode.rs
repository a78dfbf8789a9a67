//! How a record's 25 fields become LTA1 and a payload, and how they are read back.
//!
//! Invariant: every field but the two checksums is in the payload, as canonical JSON with its keys in order; what LTA1
//! names itself is there twice and must agree. It does not know keys or stores.

use std::{io::Write, sync::Arc};

use super::{
    event_type::AuditEventType,
    hash::{Digest, digest},
    json::{integer, object, string},
    lta1::{Attributes, Fault, Outcome, PayloadKind, Record},
    payload::Payload,
    record::{AuditId, AuditRecord, Commitment, Envelope},
    wire,
};
use crate::{clock::Timestamp, id::TenantId};

/// Appends the payload of `record`: 23 keys in their order, no spaces (RFC 8785).
pub(super) fn payload(out: &mut Vec<u8>, record: &AuditRecord) {
    let it = &record.details;
    text(out, "{\"action\":", &it.action);
    text(out, ",\"actor_id\":", &it.actor.id);
    text(out, ",\"actor_ip\":", &it.actor.ip);
    text(out, ",\"actor_type\":", it.actor.kind.as_str());
    text(out, ",\"actor_user_agent\":", &it.actor.user_agent);
    text(out, ",\"agent_name\":", &it.agent_name);
    text(out, ",\"error_message\":", &it.error_message);
    text(out, ",\"event_type\":", it.event_type.as_str());
    out.extend_from_slice(b",\"metadata\":");
    object(out, &it.metadata);
    for (key, value) in [("new_value", &it.new_value), ("old_value", &it.old_value)] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            Some(map) => object(out, map),
            None => out.extend_from_slice(b"null"),
        }
    }
    text(out, ",\"pipeline_id\":", &it.pipeline_id);
    out.extend_from_slice(b",\"record_id\":\"");
    let mut id = [0; 36];
    let uuid = uuid::Uuid::from_bytes(record.record_id.0);
    out.extend_from_slice(uuid.hyphenated().encode_lower(&mut id).as_bytes());
    text(out, "\",\"resource_id\":", &it.resource_id);
    text(out, ",\"resource_type\":", &it.resource_type);
    text(out, ",\"run_id\":", &it.run_id);
    out.extend_from_slice(b",\"sequence_number\":");
    integer(out, record.sequence_number);
    text(out, ",\"severity\":", it.severity.as_str());
    text(out, ",\"step_name\":", &it.step_name);
    out.extend_from_slice(b",\"success\":");
    out.extend_from_slice(if it.success { b"true" } else { b"false" });
    out.extend_from_slice(b",\"tags\":[");
    for (n, tag) in it.tags.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        string(out, tag);
    }
    out.extend_from_slice(b"],\"tenant_id\":");
    string(
        out,
        record
            .tenant_id
            .as_ref()
            .map(TenantId::as_str)
            .unwrap_or_default(),
    );
    // Writing to a buffer in memory cannot fail.
    let _ = write!(out, ",\"timestamp\":\"{}\"}}", record.timestamp);
}

fn text(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    string(out, value);
}

/// The LTA1 fields of `record`.
pub(super) fn body<'a>(
    record: &'a AuditRecord,
    envelope: &'a Envelope,
    payload_kind: PayloadKind,
    payload_len: u64,
    payload_commit: Digest,
) -> Result<Record<'a>, Fault> {
    let it = &record.details;
    Ok(Record {
        origin: &envelope.origin,
        seq: record.sequence_number,
        prev: record.previous_checksum.unwrap_or(Digest::ZERO),
        ts_us: u64::try_from(record.timestamp.as_micros()).unwrap_or(0),
        writer_epoch: envelope.epoch,
        event_id: record.record_id.0,
        action: it.event_type.as_str(),
        actor_ref: envelope.actor_ref.as_bytes(),
        subject_ref: envelope.subject_ref.as_bytes(),
        request_id: it.run_id.as_bytes(),
        outcome: envelope.outcome,
        attributes: attributes(record, envelope)?,
        payload_kind,
        payload_len,
        payload_commit,
    })
}

/// Severity, and run and step where there are any, among what the envelope adds.
fn attributes<'a>(
    record: &'a AuditRecord,
    envelope: &'a Envelope,
) -> Result<Attributes<'a>, Fault> {
    let it = &record.details;
    let own: [(&str, &str); 3] = [
        ("run", &it.run_id),
        ("severity", it.severity.as_str()),
        ("step", &it.step_name),
    ];
    let mut own = own
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .peekable();
    let mut more = envelope
        .attributes
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .peekable();
    let mut all = Attributes::NONE;
    loop {
        let next = match (own.peek(), more.peek()) {
            (Some(a), Some(b)) if b.0 < a.0 => more.next(),
            (Some(_), _) => own.next(),
            (None, _) => more.next(),
        };
        match next {
            Some((key, value)) => all.push(key.as_bytes(), value.as_bytes())?,
            None => return Ok(all),
        }
    }
}

/// What LTA1 says about how it went.
pub(super) fn outcome(event_type: AuditEventType, success: bool, unknown: bool) -> Outcome {
    match (event_type, success) {
        (AuditEventType::AccessDenied, _) => Outcome::Denied,
        _ if unknown => Outcome::Unknown,
        (_, true) => Outcome::Ok,
        (_, false) => Outcome::Error,
    }
}

/// The record that `body` and the plain bytes of its payload make; `None` when they disagree or are no record.
pub(super) fn read(
    body: &Record<'_>,
    leaf: Digest,
    plain: &[u8],
    payload: &Payload,
) -> Option<AuditRecord> {
    let mut record = wire::from_payload(plain)?;
    let commitment = match payload {
        Payload::Blinded { blind, .. } => Commitment::Blinded(*blind),
        Payload::Sealed { .. } => Commitment::Sealed {
            commit: body.payload_commit,
            len: body.payload_len,
            plain: digest(&[plain]),
        },
    };
    record.checksum = Some(leaf);
    record.previous_checksum = previous(body);
    record.envelope = Some(envelope(body, commitment)?);
    agrees(&record, body).then_some(record)
}

/// What is left of a record without its payload; `None` when the body is not one that the trail makes.
pub(super) fn without_payload(
    body: &Record<'_>,
    leaf: Digest,
    tenant: Option<&TenantId>,
) -> Option<AuditRecord> {
    let mut details = super::event::Details::new(body.action.parse().ok()?);
    details.run_id = body.attributes.text("run").unwrap_or_default().to_owned();
    details.step_name = body.attributes.text("step").unwrap_or_default().to_owned();
    details.severity = body.attributes.text("severity")?.parse().ok()?;
    details.success = body.outcome == Outcome::Ok;
    let commitment = Commitment::Erased {
        kind: body.payload_kind,
        commit: body.payload_commit,
        len: body.payload_len,
    };
    Some(AuditRecord {
        record_id: AuditId(body.event_id),
        sequence_number: body.seq,
        timestamp: Timestamp::from_micros(i64::try_from(body.ts_us).ok()?),
        tenant_id: tenant.cloned(),
        details,
        checksum: Some(leaf),
        previous_checksum: previous(body),
        envelope: Some(envelope(body, commitment)?),
    })
}

fn previous(body: &Record<'_>) -> Option<Digest> {
    (body.seq > 0).then_some(body.prev)
}

fn envelope(body: &Record<'_>, commitment: Commitment) -> Option<Envelope> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let own = |key: &[u8]| matches!(key, b"run" | b"severity" | b"step");
    let more = body.attributes.iter().filter(|(key, _)| !own(key));
    Some(Envelope {
        origin: Arc::from(body.origin),
        epoch: body.writer_epoch,
        outcome: body.outcome,
        actor_ref: text(body.actor_ref)?.into(),
        subject_ref: text(body.subject_ref)?.into(),
        attributes: more
            .map(|(key, value)| Some((text(key)?.to_owned(), text(value)?.to_owned())))
            .collect::<Option<_>>()?,
        commitment,
    })
}

/// Whether the payload says what the body says, wherever both say it.
pub(super) fn agrees(record: &AuditRecord, body: &Record<'_>) -> bool {
    let it = &record.details;
    let text = |key| body.attributes.text(key).unwrap_or_default();
    record.record_id.0 == body.event_id
        && record.sequence_number == body.seq
        && u64::try_from(record.timestamp.as_micros()) == Ok(body.ts_us)
        && it.event_type.as_str() == body.action
        && it.run_id.as_bytes() == body.request_id
        && it.run_id == text("run")
        && it.severity.as_str() == text("severity")
        && it.step_name == text("step")
        && body.outcome
            == outcome(
                it.event_type,
                it.success,
                !it.success && body.outcome == Outcome::Unknown,
            )
}
