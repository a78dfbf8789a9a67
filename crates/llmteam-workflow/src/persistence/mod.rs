//! What outlives a process: the journal of a run, who owns the run, and its snapshots.
//!
//! Invariant: what a call has acknowledged is stored, and only the present owner of a run adds to it.
//! This module does not know what a record means, which graph a run follows, nor how a run is executed.

mod error;
mod journal;
mod lease;
mod run;
#[cfg(feature = "sqlite")]
mod schema;
mod snapshot;

pub use self::{
    error::{JournalError, SnapshotError},
    journal::{BoundStart, Journal, JournalEntry, JournalVersion, MemoryJournal, StartKey},
    lease::{Lease, Owner},
    run::{NewRun, RunFilter, RunRow, RunState, RunUpdate, UnknownRunState},
    snapshot::{
        AgentSnapshot, MemorySnapshotStore, PipelinePhase, PipelineSnapshot, SNAPSHOT_VERSION,
        SnapshotFilter, SnapshotInfo, SnapshotStore, SnapshotType,
    },
};
#[cfg(feature = "sqlite")]
pub use self::{journal::SqliteJournal, snapshot::SqliteSnapshotStore};
