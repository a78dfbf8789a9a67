//! Where wrapped data keys are kept.
//!
//! Invariant: a run has one data key; a destroyed one never comes back; a closed version of a tenant's key never
//! gets a data key again. Every engine passes the suite in [`contract`].

#[cfg(test)]
mod contract;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;

use async_trait::async_trait;

pub use self::memory::MemoryDekStore;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresDekStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteDekStore;
use super::{
    dek::{DekId, DekRecord, WrappedDek},
    error::DekStoreError,
    kek::KekVersion,
};
use crate::{
    clock::Timestamp,
    id::{RunId, TenantId},
};

/// What became of a new data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored.
    Stored,
    /// The run has one already, which is this; it may be destroyed.
    RunHasOne(Box<DekRecord>),
    /// The version that wraps it is closed. Wrap it again.
    KekRetired,
}

/// Keeps wrapped data keys. Each method is one step: it happened when it returns, or it did not happen.
#[async_trait]
pub trait DekStore: Send + Sync + fmt::Debug {
    /// Stores a live key for a run that has none, wrapped by a version that is not closed.
    async fn insert(&self, record: &DekRecord) -> Result<Inserted, DekStoreError>;

    /// The key of a run.
    async fn of_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<DekRecord>, DekStoreError>;

    /// The key of that name.
    async fn get(&self, tenant: &TenantId, id: DekId) -> Result<Option<DekRecord>, DekStoreError>;

    /// Replaces the wrapping of a live key that `from` wraps, if the new version is not closed; whether it did.
    async fn replace(
        &self,
        tenant: &TenantId,
        id: DekId,
        from: KekVersion,
        to: &WrappedDek,
    ) -> Result<bool, DekStoreError>;

    /// Live keys that versions before `version` wrap, in the order of their names, after the name `after`.
    async fn below(
        &self,
        tenant: &TenantId,
        version: KekVersion,
        after: Option<DekId>,
        limit: usize,
    ) -> Result<Vec<DekRecord>, DekStoreError>;

    /// Destroys the key of a run, leaving its name; whether there was one to destroy.
    async fn shred(
        &self,
        tenant: &TenantId,
        run: &RunId,
        at: Timestamp,
    ) -> Result<bool, DekStoreError>;

    /// Closes `version` and all before it, unless live keys refer to them: then nothing changes, and their number
    /// is the answer.
    async fn close(&self, tenant: &TenantId, version: KekVersion) -> Result<u64, DekStoreError>;
}
