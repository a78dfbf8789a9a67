//! A record of the audit trail, as it is read.
//!
//! Invariant: fields are private, owned and never change; every field is covered by the checksum.
//! It does not know where it is stored, nor who else is in the log: see [`super::verify`] for whole chains.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::{
    encode,
    error::{AuditError, AuditIntegrityError},
    event::Details,
    event_type::{AuditEventType, AuditSeverity},
    hash::{Digest, digest},
    lta1::{Outcome, PayloadKind, Record, checksum},
    payload::blinded,
    wire,
};
use crate::{clock::Timestamp, id::TenantId};

/// The id of a record: a random UUID, written with dashes in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId(pub(super) [u8; 16]);

impl AuditId {
    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// An id from 16 bytes, such as a key that an idempotent caller already has.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// A new record id (UUID version 4).
pub fn generate_audit_id() -> Result<AuditId, AuditError> {
    let bytes = super::random::bytes()?;
    Ok(AuditId(
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .into_bytes(),
    ))
}

impl AuditId {
    /// An id for what happened at `time` (UUID version 7, RFC 9562): ids of one time after another are in order, so
    /// that an index of them grows at its end.
    pub(super) fn at(time: Timestamp) -> Result<Self, AuditError> {
        let millis = u64::try_from(time.as_micros() / 1_000).unwrap_or(0);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &super::random::bytes()?);
        Ok(Self(id.into_uuid().into_bytes()))
    }
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 36];
        f.pad(
            uuid::Uuid::from_bytes(self.0)
                .hyphenated()
                .encode_lower(&mut text),
        )
    }
}

impl fmt::Debug for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AuditId {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, AuditError> {
        let uuid = uuid::Uuid::try_parse(text).ok();
        uuid.map(|it| Self(it.into_bytes()))
            .ok_or_else(|| AuditError::invalid("an audit record id", text))
    }
}

impl Serialize for AuditId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Who did what, when, to what, and how it went.
///
/// ```compile_fail
/// # fn change(mut record: llmteam_security::audit::AuditRecord) {
/// record.details.run_id = "another".to_owned();
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    pub(super) record_id: AuditId,
    pub(super) sequence_number: u64,
    pub(super) timestamp: Timestamp,
    pub(super) tenant_id: Option<TenantId>,
    pub(super) details: Details,
    pub(super) checksum: Option<Digest>,
    pub(super) previous_checksum: Option<Digest>,
    pub(super) envelope: Option<Envelope>,
}

/// What a record's checksum covers beyond its 25 fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Envelope {
    pub(super) origin: Arc<str>,
    pub(super) epoch: u64,
    pub(super) outcome: Outcome,
    pub(super) actor_ref: Arc<str>,
    pub(super) subject_ref: Arc<str>,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) commitment: Commitment,
}

/// How the payload is bound to the record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Commitment {
    /// By this blind.
    Blinded([u8; 32]),
    /// By its ciphertext; the digest is that of the bytes it opened to.
    Sealed {
        commit: Digest,
        len: u64,
        plain: Digest,
    },
    /// It was erased, or its key is not here: the fields that it held are empty.
    Erased {
        kind: PayloadKind,
        commit: Digest,
        len: u64,
    },
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $($path:ident).+;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self) -> &str {
            &self.details.$($path).+
        }
    )*};
}

impl AuditRecord {
    texts! {
        /// The pipeline it belongs to, or empty.
        pipeline_id = pipeline_id;
        /// The run it belongs to, or empty.
        run_id = run_id;
        /// The agent it is about, or empty.
        agent_name = agent_name;
        /// The step it is about, or empty.
        step_name = step_name;
        /// Who acted, or empty for the system.
        actor_id = actor.id;
        /// From which address, or empty.
        actor_ip = actor.ip;
        /// With which program, or empty.
        actor_user_agent = actor.user_agent;
        /// What was done, or empty.
        action = action;
        /// The kind of thing acted on, or empty.
        resource_type = resource_type;
        /// The thing acted on, or empty.
        resource_id = resource_id;
        /// Why it failed, or empty.
        error_message = error_message;
    }

    /// Its id.
    pub fn record_id(&self) -> AuditId {
        self.record_id
    }

    /// Its place in the tenant's log; 0 is the genesis record.
    pub fn sequence_number(&self) -> u64 {
        self.sequence_number
    }

    /// When it happened, as the writer's clock said.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Whose log it is in.
    pub fn tenant_id(&self) -> Option<&TenantId> {
        self.tenant_id.as_ref()
    }

    /// What happened.
    pub fn event_type(&self) -> AuditEventType {
        self.details.event_type
    }

    /// How grave it is.
    pub fn severity(&self) -> AuditSeverity {
        self.details.severity
    }

    /// What kind of actor acted.
    pub fn actor_type(&self) -> &'static str {
        self.details.actor.kind.as_str()
    }

    /// What was there before.
    pub fn old_value(&self) -> Option<&Map<String, Value>> {
        self.details.old_value.as_ref()
    }

    /// What is there now.
    pub fn new_value(&self) -> Option<&Map<String, Value>> {
        self.details.new_value.as_ref()
    }

    /// Whether it succeeded.
    pub fn success(&self) -> bool {
        self.details.success
    }

    /// Anything else.
    pub fn metadata(&self) -> &Map<String, Value> {
        &self.details.metadata
    }

    /// Words to find it by.
    pub fn tags(&self) -> &[String] {
        &self.details.tags
    }

    /// Its checksum, which is its leaf in the log's tree. A record read from elsewhere may lack one.
    pub fn checksum(&self) -> Option<Digest> {
        self.checksum
    }

    /// The checksum of the record before; none for the genesis record.
    pub fn previous_checksum(&self) -> Option<Digest> {
        self.previous_checksum
    }

    /// Whether its payload was erased, or is under a key that is not here. What is left are its id, number, time, type,
    /// severity, run, step and outcome.
    pub fn is_erased(&self) -> bool {
        let commitment = self.envelope.as_ref().map(|it| &it.commitment);
        matches!(commitment, Some(Commitment::Erased { .. }))
    }

    /// Recomputes the checksum from the fields and compares.
    ///
    /// # Errors
    /// When they differ, and when the record has no checksum or comes from outside the trail, so that there is nothing
    /// to recompute it from: verify a bundle then.
    pub fn verify_integrity(&self) -> Result<(), AuditIntegrityError> {
        let fail = |message: &str| {
            Err(AuditIntegrityError::new(
                message,
                vec![self.sequence_number],
            ))
        };
        match (self.checksum, self.recomputed()) {
            (None, _) => fail("the record has no checksum"),
            (_, None) => fail("the record lacks what its checksum is made from"),
            (Some(stored), Some(now)) if stored == now => Ok(()),
            _ => fail("the checksum does not cover these fields"),
        }
    }

    fn recomputed(&self) -> Option<Digest> {
        let envelope = self.envelope.as_ref()?;
        let mut json = Vec::new();
        encode::payload(&mut json, self);
        let (kind, len, commit) = match &envelope.commitment {
            Commitment::Blinded(blind) => (
                PayloadKind::Blinded,
                json.len() as u64,
                blinded(blind, &json),
            ),
            Commitment::Sealed { commit, len, plain } if digest(&[&json]) == *plain => {
                (PayloadKind::Sealed, *len, *commit)
            }
            Commitment::Sealed { .. } => return Some(Digest::ZERO),
            Commitment::Erased { kind, commit, len } => (*kind, *len, *commit),
        };
        let mut bytes = Vec::new();
        let record: Record<'_> = encode::body(self, envelope, kind, len, commit).ok()?;
        record.encode(&mut bytes).ok()?;
        Some(checksum(&bytes))
    }

    /// All 25 fields under their names, as JSON.
    pub fn to_dict(&self) -> Value {
        wire::to_value(self)
    }

    /// Reads what [`Self::to_dict`] wrote; `record_id`, `sequence_number`, `timestamp` and `event_type` are required,
    /// unknown names refused.
    pub fn from_dict(value: Value) -> Result<Self, AuditError> {
        wire::from_value(value)
    }
}

impl Serialize for AuditRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::view(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AuditRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::Owned::deserialize(deserializer).map(Self::from)
    }
}
