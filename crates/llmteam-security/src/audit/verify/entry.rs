//! What can be checked of one stored record by itself: the costly part, done on several threads.
//!
//! Invariant: the result depends on the entry alone. It does not know its neighbours.

use super::report::Rule;
use crate::audit::{
    entry::Entry,
    event_type::AuditEventType,
    hash::Digest,
    lta1::{PayloadKind, Record, checksum},
};

/// What the chain needs to know of an entry.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) seq: u64,
    /// The hash of the bytes, not the stored one.
    pub(super) leaf: Digest,
    pub(super) fault: Option<(Rule, String)>,
    /// `None` when the bytes are no record.
    pub(super) record: Option<RecordFacts>,
}

#[derive(Debug)]
pub(super) struct RecordFacts {
    pub(super) seq: u64,
    pub(super) prev: Digest,
    pub(super) epoch: u64,
    pub(super) ts_us: u64,
    pub(super) event_id: [u8; 16],
    pub(super) same_origin: bool,
    pub(super) payload: State,
    pub(super) special: Option<Special>,
}

/// The payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    None,
    Present { dek: Option<String> },
    Absent { dek: Option<String> },
}

/// A record that says something about others.
#[derive(Debug)]
pub(super) enum Special {
    Shredded {
        dek: Option<String>,
        sequences: Option<String>,
    },
    Pruned {
        below: Option<u64>,
        root: Option<Digest>,
    },
}

/// Examines `entry` of the log `origin`.
pub(super) fn examine(entry: &Entry, origin: &str) -> Facts {
    let leaf = checksum(&entry.body);
    let record = match Record::decode(&entry.body) {
        Ok(record) => record,
        Err(fault) => {
            return Facts {
                seq: entry.seq,
                leaf,
                fault: Some((Rule::V1, fault.to_string())),
                record: None,
            };
        }
    };
    let payload = state(entry, &record);
    let fault = if leaf != entry.leaf {
        Some((
            Rule::V3,
            "the stored hash is not that of the record".to_owned(),
        ))
    } else if let Some(column) = differing_copy(entry, &record) {
        Some((
            Rule::V7,
            format!("the stored {column} is not that of the record"),
        ))
    } else if let Err(reason) = &payload {
        Some((Rule::V8, (*reason).to_owned()))
    } else {
        None
    };
    Facts {
        seq: entry.seq,
        leaf,
        fault,
        record: Some(RecordFacts {
            seq: record.seq,
            prev: record.prev,
            epoch: record.writer_epoch,
            ts_us: record.ts_us,
            event_id: record.event_id,
            same_origin: record.origin == origin,
            payload: payload.unwrap_or(State::None),
            special: special(&record),
        }),
    }
}

fn differing_copy(entry: &Entry, record: &Record<'_>) -> Option<&'static str> {
    let same = [
        (entry.seq == record.seq, "sequence number"),
        (entry.event_id.0 == record.event_id, "event id"),
        (entry.action == record.action, "action"),
        (entry.ts_us == record.ts_us, "time"),
    ];
    same.iter().find(|(same, _)| !same).map(|(_, name)| *name)
}

fn state(entry: &Entry, record: &Record<'_>) -> Result<State, &'static str> {
    let dek = || record.attributes.text("dek").map(str::to_owned);
    match (&entry.payload, record.payload_kind) {
        (None, PayloadKind::None) => Ok(State::None),
        (None, _) => Ok(State::Absent { dek: dek() }),
        (Some(payload), kind) if payload.kind() != kind => {
            Err("the payload is of another kind than the record says")
        }
        (Some(payload), _) if payload.len() != record.payload_len => {
            Err("the payload has another length than the record says")
        }
        (Some(payload), _) if payload.commit() != record.payload_commit => {
            Err("the payload is not the one the record commits to")
        }
        (Some(_), _) => Ok(State::Present { dek: dek() }),
    }
}

fn special(record: &Record<'_>) -> Option<Special> {
    let text = |key| record.attributes.text(key).map(str::to_owned);
    if record.action == AuditEventType::PayloadShredded.as_str() {
        Some(Special::Shredded {
            dek: text("shredded_dek"),
            sequences: text("sequences"),
        })
    } else if record.action == AuditEventType::LogPruned.as_str() {
        let below = text("below").and_then(|it| it.parse().ok());
        let root = text("root").and_then(|it| Digest::from_hex(&it));
        Some(Special::Pruned { below, root })
    } else {
        None
    }
}
