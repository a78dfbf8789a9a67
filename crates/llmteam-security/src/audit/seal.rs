//! Turns events into the next records of a log.
//!
//! Invariant: numbers and links are given here and nowhere else, under the head's lock; a record is encoded into buffers
//! that are kept from one to the next, and its bytes are hashed once.
//! It does not know stores.

use std::{borrow::Cow, cell::RefCell, sync::Arc};

use super::{
    encode,
    entry::Entry,
    error::AuditError,
    event::AuditEvent,
    event_type::AuditEventType,
    hash::{Digest, digest},
    head::ChainHead,
    keys::SubjectKeys,
    lta1::{PayloadKind, checksum},
    payload::{Payload, blinded},
    random,
    record::{AuditRecord, Commitment, Envelope},
};
use crate::id::TenantId;

thread_local! {
    /// The payload and the body of the record at hand.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// The head of a log that has no record yet.
pub(super) fn empty_head(deployment: &str) -> Result<ChainHead, AuditError> {
    let log: [u8; 16] = random::bytes()?;
    let log = data_encoding::HEXLOWER.encode(&log);
    Ok(ChainHead {
        origin: format!("{deployment}/audit/{log}").into(),
        frontier: Default::default(),
        last: Digest::ZERO,
        epoch: 1,
        first: 0,
        pseudonyms: random::bytes()?,
    })
}

/// Appends `events`, which are prepared, to the log that ends at `head`, and moves `head` on.
/// On an error `head` is of no use any more.
pub(super) fn seal(
    head: &mut ChainHead,
    tenant: &TenantId,
    events: Vec<AuditEvent>,
    keys: &SubjectKeys,
) -> Result<(Vec<AuditRecord>, Vec<Entry>), AuditError> {
    let mut records = Vec::with_capacity(events.len());
    let mut entries = Vec::with_capacity(events.len());
    BUFFERS.with_borrow_mut(|(payload, body)| {
        for event in events {
            let mut record = record(head, tenant, event, keys)?;
            payload.clear();
            body.clear();
            encode::payload(payload, &record);
            let entry = bind(head, &mut record, payload, body, keys)?;
            head.frontier.push(entry.leaf);
            head.last = entry.leaf;
            records.push(record);
            entries.push(entry);
        }
        Ok((records, entries))
    })
}

fn record(
    head: &mut ChainHead,
    tenant: &TenantId,
    event: AuditEvent,
    keys: &SubjectKeys,
) -> Result<AuditRecord, AuditError> {
    let (Some(record_id), Some(timestamp)) = (event.id, event.timestamp) else {
        return Err(AuditError::storage("an event came without id or time"));
    };
    let details = event.details;
    if details.event_type == AuditEventType::KeyRotated {
        head.epoch += 1;
    }
    let mut attributes = event.attributes;
    // What the log says of itself must stay readable.
    let person =
        data_subject(&event.data_subject, &details).filter(|_| !details.event_type.is_of_the_log());
    let key = person.and_then(|person| keys.of(head, person));
    attributes.extend(key.map(|key| ("dek".to_owned(), key.dek_id.clone())));
    attributes.sort();
    let envelope = Envelope {
        origin: Arc::clone(&head.origin),
        epoch: head.epoch,
        outcome: encode::outcome(details.event_type, details.success, event.unknown),
        actor_ref: head.pseudonym(details.actor.kind.as_str(), &details.actor.id),
        subject_ref: head.pseudonym(&details.resource_type, &details.resource_id),
        attributes,
        commitment: Commitment::Blinded([0; 32]),
    };
    Ok(AuditRecord {
        record_id,
        sequence_number: head.size(),
        timestamp,
        tenant_id: Some(tenant.clone()),
        details,
        checksum: None,
        previous_checksum: (head.size() > 0).then_some(head.last),
        envelope: Some(envelope),
    })
}

/// Whose key the payload goes under: whom the event is about, or else the user who acts.
pub(super) fn data_subject<'a>(
    named: &'a Option<String>,
    details: &'a super::event::Details,
) -> Option<&'a str> {
    let user = details.actor.kind == super::ActorType::User && !details.actor.id.is_empty();
    named
        .as_deref()
        .or_else(|| user.then_some(details.actor.id.as_str()))
}

/// Commits to the payload, encodes the body and hashes it.
fn bind(
    head: &ChainHead,
    record: &mut AuditRecord,
    plain: &[u8],
    body: &mut Vec<u8>,
    keys: &SubjectKeys,
) -> Result<Entry, AuditError> {
    let id = record.record_id;
    let refused = |reason: String| AuditError::Event { id, reason };
    let Some(envelope) = record.envelope.as_mut() else {
        return Err(refused("it has no envelope".to_owned()));
    };
    let dek = envelope.attributes.iter().find(|(key, _)| key == "dek");
    let payload = match dek {
        Some((_, dek)) => keys.seal(head.origin(), dek, id, plain)?,
        None => Payload::Blinded {
            blind: random::bytes()?,
            bytes: plain.into(),
        },
    };
    let commit = match &payload {
        Payload::Blinded { blind, .. } => {
            envelope.commitment = Commitment::Blinded(*blind);
            blinded(blind, plain)
        }
        Payload::Sealed { .. } => {
            let commit = payload.commit();
            envelope.commitment = Commitment::Sealed {
                commit,
                len: payload.len(),
                plain: digest(&[plain]),
            };
            commit
        }
    };
    let (kind, len) = (payload.kind(), payload.len());
    debug_assert_ne!(kind, PayloadKind::None);
    let ts_us = {
        let envelope = record.envelope.as_ref();
        let envelope = envelope.ok_or_else(|| refused("it has no envelope".to_owned()))?;
        let fields = encode::body(record, envelope, kind, len, commit)
            .map_err(|fault| refused(fault.to_string()))?;
        fields
            .encode(body)
            .map_err(|fault| refused(fault.to_string()))?;
        fields.ts_us
    };
    let leaf = checksum(body);
    record.checksum = Some(leaf);
    Ok(Entry {
        seq: record.sequence_number,
        leaf,
        body: body.as_slice().into(),
        payload: Some(payload),
        event_id: id,
        action: Cow::Borrowed(record.details.event_type.as_str()),
        ts_us,
    })
}
