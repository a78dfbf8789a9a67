//! A record as it is stored: the bytes that were hashed, the payload beside them, and copies to find it by.
//!
//! Invariant: nothing here is trusted; a copy or a hash that disagrees with the bytes is a finding of the verifier.
//! It does not know stores.

use std::borrow::Cow;

use super::{hash::Digest, payload::Payload, record::AuditId};

/// One stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place it is stored under.
    pub seq: u64,
    /// The stored hash.
    pub leaf: Digest,
    /// The LTA1 bytes.
    pub body: Box<[u8]>,
    /// The payload; absent where there is none, or where it was erased.
    pub payload: Option<Payload>,
    /// Copy of the event id.
    pub event_id: AuditId,
    /// Copy of the action.
    pub action: Cow<'static, str>,
    /// Copy of the time, in microseconds since 1970.
    pub ts_us: u64,
}
