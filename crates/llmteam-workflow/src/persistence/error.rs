//! Why a journal or a snapshot store refuses, or cannot be trusted.

use llmteam_security::id::RunId;

use super::{journal::JournalVersion, lease::Owner};

/// What a journal answers instead of doing what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The tenant has a run of that id.
    #[error("run `{run}` exists already")]
    RunExists {
        /// The run.
        run: RunId,
    },
    /// The tenant has no run of that id.
    #[error("run `{run}` is not in the journal")]
    RunNotFound {
        /// The run.
        run: RunId,
    },
    /// Another process owns the run, as far as can be told from here.
    #[error("run `{run}` is owned by {owner}")]
    RunActive {
        /// The run.
        run: RunId,
        /// Who owns it.
        owner: Owner,
    },
    /// The run has another owner since; whoever sees this drops the run at once.
    #[error("run `{run}` was taken over: epoch {epoch} is past")]
    Fenced {
        /// The run.
        run: RunId,
        /// The epoch of the lease that was shown.
        epoch: u64,
    },
    /// An entry does not follow the last one.
    #[error("run `{run}` goes on at entry {expected}, not {found}")]
    Gap {
        /// The run.
        run: RunId,
        /// The index that comes next.
        expected: u64,
        /// The index that was given.
        found: u64,
    },
    /// The run has ended, and its journal with it.
    #[error("run `{run}` has ended; nothing can be added to it")]
    RunEnded {
        /// The run.
        run: RunId,
    },
    /// What was given cannot be stored as JSON text.
    #[error("an entry cannot be written: {0}")]
    Unwritable(String),
    /// What is stored is not what was written. The run must not go on from it.
    #[error("the journal of run `{run}` is damaged: {reason}")]
    Corrupt {
        /// The run.
        run: RunId,
        /// What does not fit.
        reason: String,
    },
    /// A newer program wrote the run.
    #[error(
        "run `{run}` is stored in format {found}, newer than {}",
        JournalVersion::CURRENT
    )]
    NewerFormat {
        /// The run.
        run: RunId,
        /// The format it is stored in.
        found: JournalVersion,
    },
    /// The store failed. Whether the write happened is not known; the journal itself tells, once it can be read.
    #[error("the journal is not available: {0}")]
    Unavailable(String),
}

impl JournalError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RunExists { .. } => "RUN_EXISTS",
            Self::RunNotFound { .. } => "RUN_NOT_FOUND",
            Self::RunActive { .. } => "RUN_ACTIVE",
            Self::Fenced { .. } => "RUN_FENCED",
            Self::Gap { .. } => "JOURNAL_GAP",
            Self::RunEnded { .. } => "RUN_ENDED",
            Self::Unwritable(_) => "JOURNAL_UNWRITABLE",
            Self::Corrupt { .. } => "JOURNAL_CORRUPT",
            Self::NewerFormat { .. } => "JOURNAL_NEWER_FORMAT",
            Self::Unavailable(_) => "JOURNAL_UNAVAILABLE",
        }
    }
}

/// What a snapshot store answers instead of doing what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The content does not have the checksum it came with.
    #[error("snapshot `{snapshot_id}` is damaged: {reason}")]
    IntegrityFailed {
        /// The snapshot.
        snapshot_id: String,
        /// What does not fit.
        reason: String,
    },
    /// A newer program wrote it.
    #[error("snapshot `{snapshot_id}` is of version `{version}`, which this program does not know")]
    UnsupportedVersion {
        /// The snapshot.
        snapshot_id: String,
        /// Its version.
        version: String,
    },
    /// It was resumed from, so it does not change any more.
    #[error("snapshot `{0}` has been resumed from already")]
    Consumed(String),
    /// The id or the sequence number belongs to another snapshot.
    #[error("snapshot `{0}` conflicts with another one")]
    Conflict(String),
    /// A later owner of the run has saved a snapshot.
    #[error("run `{run}` was taken over: fencing token {token} is past")]
    Fenced {
        /// The run.
        run: RunId,
        /// The token that was shown.
        token: u64,
    },
    /// The snapshot is larger than a store takes.
    #[error("snapshot `{snapshot_id}` has {size} bytes, more than {limit}")]
    TooLarge {
        /// The snapshot.
        snapshot_id: String,
        /// Its size as JSON.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Every snapshot that is held is protected, and there is no room for one more.
    #[error("the snapshot store is full: it holds {0} snapshots that cannot be dropped")]
    StoreFull(usize),
    /// The snapshot has no canonical JSON.
    #[error("the snapshot cannot be written: {0}")]
    Unwritable(String),
    /// The store failed.
    #[error("the snapshot store is not available: {0}")]
    Unavailable(String),
}

impl SnapshotError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::IntegrityFailed { .. } => "SNAPSHOT_DAMAGED",
            Self::UnsupportedVersion { .. } => "SNAPSHOT_NEWER_VERSION",
            Self::Consumed(_) => "SNAPSHOT_CONSUMED",
            Self::Conflict(_) => "SNAPSHOT_CONFLICT",
            Self::Fenced { .. } => "RUN_FENCED",
            Self::TooLarge { .. } => "SNAPSHOT_TOO_LARGE",
            Self::StoreFull(_) => "SNAPSHOT_STORE_FULL",
            Self::Unwritable(_) => "SNAPSHOT_UNWRITABLE",
            Self::Unavailable(_) => "SNAPSHOT_UNAVAILABLE",
        }
    }
}
