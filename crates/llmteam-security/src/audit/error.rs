//! What can go wrong with the audit trail, and what to do about it.

use super::record::AuditId;
use crate::id::TenantId;

/// A failure of the audit trail. Where an act must be audited and this comes back, the act must not happen.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Records do not hold together.
    #[error(transparent)]
    Integrity(#[from] AuditIntegrityError),
    /// The store could not be read or written; nothing of the call was kept.
    #[error("the audit store failed: {0}; nothing was recorded")]
    Storage(String),
    /// Somebody else appended first. The caller's head is stale: read it again.
    #[error("the log of tenant `{tenant}` has moved on from size {expected}; read its head again")]
    Conflict {
        /// Whose log.
        tenant: TenantId,
        /// The size the caller had seen.
        expected: u64,
    },
    /// A store in memory is full. It refuses rather than forget.
    #[error(
        "the log of tenant `{tenant}` is full at {cap} records; use a durable store or a larger one"
    )]
    Full {
        /// Whose log.
        tenant: TenantId,
        /// How many records it holds.
        cap: u64,
    },
    /// More bulk records wait than are allowed. Try again when the sequencer has drained some.
    #[error("{waiting} bulk records of tenant `{tenant}` wait to be appended; try again later")]
    Backpressure {
        /// Whose records.
        tenant: TenantId,
        /// How many wait.
        waiting: u64,
    },
    /// The range of sequence numbers is empty, inverted, or begins after the log's end.
    #[error(
        "records {start} to {end} are no range of this log, which ends at {last}; give start <= end <= {last}"
    )]
    Range {
        /// First number asked for.
        start: u64,
        /// Last number asked for.
        end: u64,
        /// Last number of the log.
        last: u64,
    },
    /// An event cannot be recorded as it is.
    #[error("event `{id}` cannot be recorded: {reason}")]
    Event {
        /// The event.
        id: AuditId,
        /// What is wrong with it.
        reason: String,
    },
    /// A text that is no audit record, event type, severity, note or bundle.
    #[error("`{value}` is not {what}")]
    Invalid {
        /// What was expected.
        what: &'static str,
        /// The start of what was found.
        value: String,
    },
    /// Nobody says for which tenant to record.
    #[error("no tenant is current; enter one before recording or asking")]
    NoTenant,
    /// The unit of work belongs to another tenant or another store.
    #[error("the unit of work of tenant `{unit}` cannot hold records of `{tenant}` in this store")]
    ForeignUnit {
        /// Whose unit.
        unit: TenantId,
        /// Whose records.
        tenant: TenantId,
    },
    /// The signer has signed something that this log does not continue.
    #[error(
        "refusing to sign `{origin}` at size {size}: {reason}; if the log was restored from a backup, open a new one that records `forked_from`"
    )]
    Fork {
        /// Which log.
        origin: String,
        /// The size that was to be signed.
        size: u64,
        /// How it disagrees with what was signed before.
        reason: String,
    },
    /// A key cannot be read, written or used.
    #[error("key `{name}`: {reason}")]
    Key {
        /// Which key.
        name: String,
        /// What is wrong; never the key.
        reason: String,
    },
    /// Pruning is not allowed as asked.
    #[error("records below {below} cannot be pruned: {reason}")]
    Retention {
        /// First record that was to stay.
        below: u64,
        /// Why not.
        reason: String,
    },
}

impl AuditError {
    pub(crate) fn invalid(what: &'static str, value: &str) -> Self {
        let value = value
            .chars()
            .take(64)
            .flat_map(char::escape_default)
            .collect();
        Self::Invalid { what, value }
    }

    pub(crate) fn storage(error: impl std::fmt::Display) -> Self {
        Self::Storage(error.to_string())
    }
}

/// Records that do not hold together, each by its sequence number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; first bad records: {invalid_records:?}")]
pub struct AuditIntegrityError {
    /// What does not hold.
    pub message: String,
    /// Sequence numbers of bad records, ascending, at most 100.
    pub invalid_records: Vec<u64>,
}

impl AuditIntegrityError {
    pub(crate) fn new(message: impl Into<String>, invalid_records: Vec<u64>) -> Self {
        Self {
            message: message.into(),
            invalid_records,
        }
    }
}
