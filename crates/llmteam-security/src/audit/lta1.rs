//! LTA1: the bytes of a record that are hashed, stored and checked, in one fixed order.
//!
//! ```text
//! "LTA1" ‖ u8 1 ‖ lp(origin) ‖ u64 seq ‖ prev[32] ‖ u64 ts_us ‖ u64 writer_epoch ‖ lp(event_id) ‖ lp(action)
//!   ‖ lp(actor_ref) ‖ lp(subject_ref) ‖ lp(request_id) ‖ u8 outcome ‖ u8 n ‖ n × (lp(key) ‖ lp(value))
//!   ‖ u8 payload_kind ‖ u64 payload_len ‖ payload_commit[32]          lp(x) = u32 length ‖ x, integers big-endian
//! ```
//!
//! Invariant: one value has one encoding, and decoding accepts nothing else: no trailing bytes, no unsorted or repeated
//! keys, no unknown version. So the bytes are what is signed, and fields are only a view of them.
//! It does not know `AuditRecord`, JSON, nor what a payload holds.

use super::hash::{Digest, leaf};

/// The longest record, in bytes, so that entry bundles can hold its length in 16 bits.
pub const MAX_RECORD: usize = 16_384;
/// The most attributes of a record.
pub const MAX_ATTRIBUTES: usize = 16;

const MAGIC: &[u8; 4] = b"LTA1";
const VERSION: u8 = 1;

/// How the act went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It was done.
    Ok = 0,
    /// It was refused.
    Denied = 1,
    /// It failed.
    Error = 2,
    /// Nobody knows whether it was done.
    Unknown = 3,
}

/// How a record commits to its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PayloadKind {
    /// There is none.
    None = 0,
    /// A hash over a random blind and the bytes.
    Blinded = 1,
    /// A hash over the ciphertext.
    Sealed = 2,
}

/// Why bytes are no LTA1 record, or fields cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than [`MAX_RECORD`].
    #[error("a record is at most 16384 bytes")]
    TooLong,
    /// Ends before its last field.
    #[error("the record ends early")]
    Truncated,
    /// Bytes after the last field.
    #[error("bytes follow the record")]
    Trailing,
    /// Not `LTA1`, or another version of it.
    #[error("not LTA1 version 1")]
    Version,
    /// The event id is not 16 bytes long.
    #[error("an event id is 16 bytes")]
    EventId,
    /// The origin is not UTF-8.
    #[error("the origin is not text")]
    Origin,
    /// The action is not `[a-z][a-z0-9_.]{0,63}`.
    #[error("the action is not `[a-z][a-z0-9_.]{{0,63}}`")]
    Action,
    /// The outcome is unknown.
    #[error("unknown outcome")]
    Outcome,
    /// More than [`MAX_ATTRIBUTES`], or not strictly ascending by key.
    #[error("attributes are at most 16, with keys strictly ascending")]
    Attributes,
    /// The payload kind is unknown, or the absent payload has a length or a commitment.
    #[error("unknown payload kind, or a length without a payload")]
    Payload,
}

/// Up to 16 pairs of bytes, in ascending order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes<'a> {
    pairs: [(&'a [u8], &'a [u8]); MAX_ATTRIBUTES],
    len: usize,
}

impl<'a> Attributes<'a> {
    /// No attributes.
    pub const NONE: Self = Self {
        pairs: [(&[], &[]); MAX_ATTRIBUTES],
        len: 0,
    };

    /// Adds a pair behind the others; its key must come after theirs.
    pub fn push(&mut self, key: &'a [u8], value: &'a [u8]) -> Result<(), Fault> {
        let ascending = self.iter().next_back().is_none_or(|(last, _)| last < key);
        match self.pairs.get_mut(self.len) {
            Some(pair) if ascending => *pair = (key, value),
            _ => return Err(Fault::Attributes),
        }
        self.len += 1;
        Ok(())
    }

    /// The pairs, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> {
        self.pairs[..self.len].iter().copied()
    }

    /// The value of `key` as text.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        let found = self.iter().find(|(it, _)| *it == key.as_bytes());
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

/// The fields of a record. See the module for their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The name of the log.
    pub origin: &'a str,
    /// The place in the log, from 0.
    pub seq: u64,
    /// The hash of the record before; zeroes for the first.
    pub prev: Digest,
    /// When, in microseconds since 1970, as the writer claims.
    pub ts_us: u64,
    /// Goes up when the log changes hands.
    pub writer_epoch: u64,
    /// Unique in the log.
    pub event_id: [u8; 16],
    /// What happened.
    pub action: &'a str,
    /// A pseudonym of who acted.
    pub actor_ref: &'a [u8],
    /// A pseudonym of what was acted on.
    pub subject_ref: &'a [u8],
    /// What the act belongs to.
    pub request_id: &'a [u8],
    /// How it went.
    pub outcome: Outcome,
    /// Further pairs.
    pub attributes: Attributes<'a>,
    /// How the payload is committed to.
    pub payload_kind: PayloadKind,
    /// Bytes of the payload, or of its ciphertext.
    pub payload_len: u64,
    /// The commitment.
    pub payload_commit: Digest,
}

impl<'a> Record<'a> {
    /// Appends the record's bytes to `out`; on a fault `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !is_action(self.action) {
            return Err(Fault::Action);
        }
        if self.payload_kind == PayloadKind::None && !self.no_payload() {
            return Err(Fault::Payload);
        }
        let start = out.len();
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        put(out, self.origin.as_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.prev.0);
        out.extend_from_slice(&self.ts_us.to_be_bytes());
        out.extend_from_slice(&self.writer_epoch.to_be_bytes());
        put(out, &self.event_id);
        put(out, self.action.as_bytes());
        put(out, self.actor_ref);
        put(out, self.subject_ref);
        put(out, self.request_id);
        out.push(self.outcome as u8);
        out.push(self.attributes.len as u8);
        for (key, value) in self.attributes.iter() {
            put(out, key);
            put(out, value);
        }
        out.push(self.payload_kind as u8);
        out.extend_from_slice(&self.payload_len.to_be_bytes());
        out.extend_from_slice(&self.payload_commit.0);
        if out.len() - start > MAX_RECORD {
            out.truncate(start);
            return Err(Fault::TooLong);
        }
        Ok(())
    }

    /// Reads a record that fills `bytes` exactly.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.len() > MAX_RECORD {
            return Err(Fault::TooLong);
        }
        let mut input = Input(bytes);
        if input.take(4)? != MAGIC || input.u8()? != VERSION {
            return Err(Fault::Version);
        }
        let origin = std::str::from_utf8(input.lp()?).map_err(|_| Fault::Origin)?;
        let (seq, prev, ts_us, writer_epoch) =
            (input.u64()?, input.digest()?, input.u64()?, input.u64()?);
        let event_id = input.lp()?.try_into().map_err(|_| Fault::EventId)?;
        let action = std::str::from_utf8(input.lp()?)
            .ok()
            .filter(|it| is_action(it))
            .ok_or(Fault::Action)?;
        let (actor_ref, subject_ref, request_id) = (input.lp()?, input.lp()?, input.lp()?);
        let outcome = outcome(input.u8()?)?;
        let attributes = input.attributes()?;
        let payload_kind = payload_kind(input.u8()?)?;
        let record = Self {
            origin,
            seq,
            prev,
            ts_us,
            writer_epoch,
            event_id,
            action,
            actor_ref,
            subject_ref,
            request_id,
            outcome,
            attributes,
            payload_kind,
            payload_len: input.u64()?,
            payload_commit: input.digest()?,
        };
        if !input.0.is_empty() {
            return Err(Fault::Trailing);
        }
        if payload_kind == PayloadKind::None && !record.no_payload() {
            return Err(Fault::Payload);
        }
        Ok(record)
    }

    fn no_payload(&self) -> bool {
        self.payload_len == 0 && self.payload_commit == Digest::ZERO
    }
}

/// The checksum of a record, which is also its leaf in the tree: SHA-256(0x00 ‖ record).
pub fn checksum(record: &[u8]) -> Digest {
    leaf(record)
}

/// Whether `text` is `[a-z][a-z0-9_.]{0,63}`.
pub fn is_action(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.');
    (1..=64).contains(&text.len())
        && text.as_bytes()[0].is_ascii_lowercase()
        && text.bytes().all(rest)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // A length past u32 is past MAX_RECORD too, and refused there.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn outcome(byte: u8) -> Result<Outcome, Fault> {
    match byte {
        0 => Ok(Outcome::Ok),
        1 => Ok(Outcome::Denied),
        2 => Ok(Outcome::Error),
        3 => Ok(Outcome::Unknown),
        _ => Err(Fault::Outcome),
    }
}

fn payload_kind(byte: u8) -> Result<PayloadKind, Fault> {
    match byte {
        0 => Ok(PayloadKind::None),
        1 => Ok(PayloadKind::Blinded),
        2 => Ok(PayloadKind::Sealed),
        _ => Err(Fault::Payload),
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Fault::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Truncated)
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_be_bytes)
    }

    fn digest(&mut self) -> Result<Digest, Fault> {
        self.array().map(Digest)
    }

    fn lp(&mut self) -> Result<&'a [u8], Fault> {
        let len = self.array().map(u32::from_be_bytes)?;
        self.take(usize::try_from(len).map_err(|_| Fault::Truncated)?)
    }

    fn attributes(&mut self) -> Result<Attributes<'a>, Fault> {
        let mut attributes = Attributes::NONE;
        for _ in 0..self.u8()? {
            attributes.push(self.lp()?, self.lp()?)?;
        }
        Ok(attributes)
    }
}

#[cfg(test)]
pub(super) mod tests;
