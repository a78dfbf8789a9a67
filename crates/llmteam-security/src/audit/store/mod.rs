//! Where logs are kept.
//!
//! Invariant: a store keeps what it is given or refuses it whole; a batch goes behind the head it was made for or not in
//! at all. Every method takes the tenant, by itself or by its unit. A store computes no hash and knows no key.

#[cfg(test)]
pub(super) mod contract;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;

use async_trait::async_trait;

pub use self::memory::MemoryAuditStore;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresAuditStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteAuditStore;
use super::{
    entry::Entry, error::AuditError, event::AuditEvent, hash::Digest, head::ChainHead,
    keys::StoredKey, query::OrderBy, record::AuditId,
};
use crate::{
    id::TenantId,
    unit::{UnitOfWork, UnitSession},
};

/// A range of a log, in one order. All bounds are inclusive.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Lowest and highest sequence number.
    pub sequences: (u64, u64),
    /// Earliest and latest time, in microseconds since 1970.
    pub times: (i64, i64),
    /// Whether by time, then number, or by number.
    pub order: OrderBy,
    /// Whether downwards.
    pub descending: bool,
    /// The time and number of the last entry already seen.
    pub after: Option<(i64, u64)>,
    /// How many at most.
    pub limit: u32,
}

impl Scan {
    /// Records `start` to `end`, upwards.
    pub fn range(start: u64, end: u64, limit: u32) -> Self {
        Self {
            sequences: (start, end),
            times: (i64::MIN, i64::MAX),
            order: OrderBy::SequenceNumber,
            descending: false,
            after: None,
            limit,
        }
    }
}

/// A change that is no append. It goes with a record that says so, in the same unit.
#[derive(Clone, Debug)]
pub enum Change {
    /// Keeps wrapped keys, in place of those with the same id.
    PutKeys(Vec<StoredKey>),
    /// Forgets the keys of these ids.
    EraseKeys(Vec<String>),
    /// Forgets the payloads of these records.
    ErasePayloads(Vec<u64>),
    /// Forgets bodies and payloads below this number and keeps their hashes.
    Prune(u64),
}

/// A store of logs.
///
/// Inside a unit, the head is locked last. A store may be shared by many processes; the unit's isolation is what keeps
/// them apart.
#[async_trait]
pub trait AuditStore: Send + Sync + fmt::Debug {
    /// The first part of the names of logs made here.
    fn deployment(&self) -> &str;

    /// The right to begin units of `tenant`.
    async fn session(&self, tenant: &TenantId) -> Result<UnitSession<'_>, AuditError>;

    /// Locks the end of the log until the unit ends; `None` when there is no log yet, which is locked too.
    async fn lock_head(&self, unit: &mut UnitOfWork<'_>) -> Result<Option<ChainHead>, AuditError>;

    /// Appends `batch` and moves the head from `expected` to `head`.
    /// [`AuditError::Conflict`] when the log does not end at `expected`.
    async fn append_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        expected: Option<&ChainHead>,
        head: &ChainHead,
        batch: Vec<Entry>,
    ) -> Result<(), AuditError>;

    /// Makes a change.
    async fn change_in(&self, unit: &mut UnitOfWork<'_>, change: Change) -> Result<(), AuditError>;

    /// Those of `ids` that are recorded, under the head's lock.
    async fn recorded_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        ids: &[AuditId],
    ) -> Result<Vec<Entry>, AuditError>;

    /// The wrapped keys of these persons, by pseudonym, or of all when none is named; under the head's lock.
    async fn keys_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        subjects: &[String],
    ) -> Result<Vec<StoredKey>, AuditError>;

    /// Puts prepared events where they wait to be appended. Returns how many wait then.
    async fn queue_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        events: Vec<AuditEvent>,
    ) -> Result<u64, AuditError>;

    /// Takes the first waiting events out, in the order they came.
    async fn drain_in(
        &self,
        unit: &mut UnitOfWork<'_>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, AuditError>;

    /// The end of the log.
    async fn head(&self, tenant: &TenantId) -> Result<Option<ChainHead>, AuditError>;

    /// Entries of the log.
    async fn scan(&self, tenant: &TenantId, scan: &Scan) -> Result<Vec<Entry>, AuditError>;

    /// The stored hashes of records `start` up to and without `end`, pruned ones included.
    async fn leaves(
        &self,
        tenant: &TenantId,
        start: u64,
        end: u64,
    ) -> Result<Vec<Digest>, AuditError>;

    /// All wrapped keys.
    async fn keys(&self, tenant: &TenantId) -> Result<Vec<StoredKey>, AuditError>;

    /// How many events wait to be appended.
    async fn waiting(&self, tenant: &TenantId) -> Result<u64, AuditError>;

    /// The last record's number; 0 when nothing was recorded yet.
    async fn get_last_sequence(&self, tenant: &TenantId) -> Result<u64, AuditError> {
        let head = self.head(tenant).await?;
        Ok(head.map_or(0, |head| head.last_sequence()))
    }

    /// Entries `start` to `end`, both included, in order.
    async fn get_by_sequence_range(
        &self,
        tenant: &TenantId,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, AuditError> {
        self.scan(tenant, &Scan::range(start, end, u32::MAX)).await
    }

    /// Appends `batch` in a unit of its own.
    async fn append(
        &self,
        tenant: &TenantId,
        expected: Option<&ChainHead>,
        head: &ChainHead,
        batch: Vec<Entry>,
    ) -> Result<(), AuditError> {
        let mut session = self.session(tenant).await?;
        let mut unit = session.begin().await?;
        self.append_in(&mut unit, expected, head, batch).await?;
        unit.commit().await.map(drop)
    }
}

/// The error of a unit that belongs elsewhere.
pub(super) fn foreign(unit: &UnitOfWork<'_>) -> AuditError {
    AuditError::ForeignUnit {
        unit: unit.tenant().clone(),
        tenant: unit.tenant().clone(),
    }
}

/// Refuses what does not continue `stored`.
fn continues(
    tenant: &TenantId,
    stored: Option<&ChainHead>,
    expected: Option<&ChainHead>,
) -> Result<(), AuditError> {
    if stored == expected {
        return Ok(());
    }
    Err(AuditError::Conflict {
        tenant: tenant.clone(),
        expected: expected.map_or(0, ChainHead::size),
    })
}
