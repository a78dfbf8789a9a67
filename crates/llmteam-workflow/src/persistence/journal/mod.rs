//! The append-only record of what happened to each run.
//!
//! Invariant: the entries of a run are numbered 0, 1, 2… without a gap; none is changed or removed; each was
//! added by whoever owned the run at that moment. A tenant never sees another tenant's runs.
//! This module does not know what an entry means: see [`JournalEntry::body`].

#[cfg(test)]
mod contract;
mod entry;
#[cfg(test)]
mod interleavings;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;
mod start_key;
mod version;

use async_trait::async_trait;
use llmteam_security::id::{RunId, TenantId};

#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteJournal;
pub use self::{
    entry::JournalEntry,
    memory::MemoryJournal,
    start_key::{BoundStart, StartKey},
    version::JournalVersion,
};
use super::{
    error::JournalError,
    lease::{Lease, Owner},
    run::{NewRun, RunFilter, RunRow, RunUpdate},
};

/// Where runs are recorded. A run has one owner at a time; all writing to it shows the owner's lease.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Records a new run with its first entries and makes `owner` its owner. Durable when it returns.
    ///
    /// The run is `running`, or `pending` if there are no entries yet. [`JournalError::RunExists`] leaves
    /// everything as it is.
    async fn create(
        &self,
        run: NewRun,
        owner: &Owner,
        first: Vec<JournalEntry>,
    ) -> Result<Lease, JournalError>;

    /// Adds `batch`, and stores what the run has come to by it: all of it, or nothing with an error.
    /// Durable when it returns.
    ///
    /// An empty batch stores the update alone. A final state ends the run: the lease is given back, and any
    /// later append is [`JournalError::RunEnded`]. [`JournalError::Fenced`] means that the run has another
    /// owner; [`JournalError::Gap`] that the first entry does not follow the last one stored.
    /// After [`JournalError::Unavailable`] only reading tells whether the entries were stored.
    async fn append(
        &self,
        lease: &Lease,
        batch: Vec<JournalEntry>,
        update: RunUpdate,
    ) -> Result<(), JournalError>;

    /// Whether what [`NewRun::audit`] and [`RunUpdate::audit`] say goes into the audit log, in the same commit;
    /// otherwise it is dropped, and need not be made.
    fn audits(&self) -> bool {
        false
    }

    /// The entries of a run from index `from` on, in order. What is not exactly as it was written, or is
    /// missing, is [`JournalError::Corrupt`].
    async fn read(
        &self,
        tenant: &TenantId,
        run: &RunId,
        from: u64,
    ) -> Result<Vec<JournalEntry>, JournalError>;

    /// Makes `owner` the owner of a run that nobody owns, that `owner` owns already, or whose owner's process
    /// has ended. The epoch rises by one, so that whoever owned it before is fenced.
    /// [`JournalError::RunActive`] while another process owns it.
    async fn claim(
        &self,
        tenant: &TenantId,
        run: &RunId,
        owner: &Owner,
    ) -> Result<Lease, JournalError>;

    /// Gives a run up, so that any process may claim it. Nothing happens if it has another owner since.
    async fn release(&self, lease: Lease) -> Result<(), JournalError>;

    /// The row of a run.
    async fn run(&self, tenant: &TenantId, run: &RunId) -> Result<Option<RunRow>, JournalError>;

    /// The rows of the tenant's runs that pass `filter`, newest first.
    async fn runs(&self, tenant: &TenantId, filter: RunFilter)
    -> Result<Vec<RunRow>, JournalError>;

    /// Keeps a definition under its content hash. What is there under the hash stays.
    async fn put_definition(
        &self,
        tenant: &TenantId,
        hash: &str,
        body: &str,
    ) -> Result<(), JournalError>;

    /// Binds a start's key to its run, unless it is bound: then nothing changes. What the key is bound to
    /// afterwards. Of several that bind one key at once, one wins. Durable when it returns.
    async fn bind_start(&self, start: &StartKey) -> Result<BoundStart, JournalError>;

    /// The definition with this content hash.
    async fn definition(
        &self,
        tenant: &TenantId,
        hash: &str,
    ) -> Result<Option<String>, JournalError>;
}

/// Refuses a batch that is not numbered in a row from `first` on, or not text.
fn check_batch(run: &RunId, first: u64, batch: &[JournalEntry]) -> Result<(), JournalError> {
    for (expected, entry) in (first..).zip(batch) {
        let found = entry.index;
        if found != expected {
            let run = run.clone();
            return Err(JournalError::Gap {
                run,
                expected,
                found,
            });
        }
        if let Err(error) = std::str::from_utf8(&entry.body) {
            let text = format!("entry {found} is not JSON text: {error}");
            return Err(JournalError::Unwritable(text));
        }
    }
    Ok(())
}
