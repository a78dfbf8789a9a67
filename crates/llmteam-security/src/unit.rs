//! One transaction of one tenant, in whichever database its stores share.
//!
//! Invariant: what is done in a unit and what is recorded of it are committed together or not at all. Audit records are
//! appended at the very end, since the end of the tenant's log is a lock that every other unit waits for.
//! It does not know what stores do in it.

use std::{fmt, sync::Arc};

use tokio::sync::{Mutex, MutexGuard};

#[cfg(feature = "postgres")]
use crate::sql::{PostgresDatabase, TenantTransaction};
#[cfg(feature = "sqlite")]
use crate::sql::{SqliteTransaction, SqliteWriter};
use crate::{
    audit::{AuditError, AuditEvent, AuditRecord, AuditTrail},
    id::TenantId,
};

/// What stores in memory share: one unit at a time.
#[derive(Clone, Debug, Default)]
pub struct MemoryDatabase {
    lock: Arc<Mutex<()>>,
}

/// The right to begin units, one after another; it may hold the only connection that writes.
pub struct UnitSession<'a> {
    tenant: TenantId,
    source: Source<'a>,
    trail: Option<AuditTrail>,
}

enum Source<'a> {
    Memory(&'a MemoryDatabase),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteWriter<'a>),
    #[cfg(feature = "postgres")]
    Postgres(&'a PostgresDatabase),
}

impl<'a> UnitSession<'a> {
    /// Units of `tenant` in memory.
    pub fn memory(tenant: TenantId, database: &'a MemoryDatabase) -> Self {
        Self::new(tenant, Source::Memory(database))
    }

    /// Units of `tenant` in SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(tenant: TenantId, writer: SqliteWriter<'a>) -> Self {
        Self::new(tenant, Source::Sqlite(writer))
    }

    /// Units of `tenant` in Postgres.
    #[cfg(feature = "postgres")]
    pub fn postgres(tenant: TenantId, database: &'a PostgresDatabase) -> Self {
        Self::new(tenant, Source::Postgres(database))
    }

    fn new(tenant: TenantId, source: Source<'a>) -> Self {
        Self {
            tenant,
            source,
            trail: None,
        }
    }

    /// Units whose records `trail` appends.
    pub(crate) fn recorded_by(mut self, trail: AuditTrail) -> Self {
        self.trail = Some(trail);
        self
    }

    /// Begins a unit. What is not committed is undone when it is dropped.
    pub async fn begin(&mut self) -> Result<UnitOfWork<'_>, AuditError> {
        let backing = match &mut self.source {
            Source::Memory(database) => Backing::Memory(MemoryUnit {
                _lock: database.lock.lock().await,
                staged: Vec::new(),
            }),
            #[cfg(feature = "sqlite")]
            Source::Sqlite(writer) => {
                Backing::Sqlite(writer.begin().await.map_err(AuditError::storage)?)
            }
            #[cfg(feature = "postgres")]
            Source::Postgres(database) => {
                let begun = database.tenant_transaction(&self.tenant).await;
                Backing::Postgres(begun.map_err(AuditError::storage)?)
            }
        };
        Ok(UnitOfWork {
            tenant: self.tenant.clone(),
            backing,
            trail: self.trail.clone(),
            pending: Vec::new(),
        })
    }
}

/// A transaction of one tenant. Not committing undoes it.
pub struct UnitOfWork<'a> {
    tenant: TenantId,
    backing: Backing<'a>,
    trail: Option<AuditTrail>,
    pending: Vec<AuditEvent>,
}

enum Backing<'a> {
    Memory(MemoryUnit<'a>),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteTransaction<'a>),
    #[cfg(feature = "postgres")]
    Postgres(TenantTransaction),
}

struct MemoryUnit<'a> {
    _lock: MutexGuard<'a, ()>,
    staged: Vec<Box<dyn FnOnce() + Send>>,
}

impl UnitOfWork<'_> {
    /// Whose unit it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Does `change` when the unit is committed, for stores in memory; false for a unit of a database.
    #[must_use]
    pub fn stage(&mut self, change: impl FnOnce() + Send + 'static) -> bool {
        match &mut self.backing {
            Backing::Memory(unit) => {
                unit.staged.push(Box::new(change));
                true
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            _ => false,
        }
    }

    /// The transaction, when the unit is one of SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut sqlx::SqliteConnection> {
        match &mut self.backing {
            Backing::Sqlite(transaction) => Some(transaction),
            _ => None,
        }
    }

    /// The transaction, when the unit is one of Postgres.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut sqlx::PgConnection> {
        match &mut self.backing {
            Backing::Postgres(transaction) => Some(transaction),
            _ => None,
        }
    }

    /// Records `event` when the unit is committed: either both happen, or neither.
    pub fn audit(&mut self, event: AuditEvent) {
        self.pending.push(event);
    }

    /// Records `event` soon after the unit is committed, in order and never without it; for what happens often and
    /// matters less.
    pub async fn audit_later(&mut self, event: AuditEvent) -> Result<(), AuditError> {
        let trail = self.trail.clone().ok_or(AuditError::NoTenant)?;
        trail.enqueue_in(self, vec![event]).await
    }

    /// As [`Self::audit_later`], for several. After an error the unit must not be committed.
    pub async fn audit_all_later(&mut self, events: Vec<AuditEvent>) -> Result<(), AuditError> {
        let trail = self.trail.clone().ok_or(AuditError::NoTenant)?;
        trail.enqueue_in(self, events).await
    }

    /// Appends what is to be recorded, then makes everything last. Returns the records, in order.
    ///
    /// # Errors
    /// Then nothing of the unit has happened; only where the answer to the commit itself was lost may it have, and
    /// repeating the unit with the same event ids is safe.
    pub async fn commit(mut self) -> Result<Vec<AuditRecord>, AuditError> {
        let pending = std::mem::take(&mut self.pending);
        let records = match (pending.is_empty(), self.trail.clone()) {
            (true, _) => Vec::new(),
            (false, Some(trail)) => trail.append_in(&mut self, pending).await?,
            (false, None) => return Err(AuditError::NoTenant),
        };
        match self.backing {
            Backing::Memory(unit) => unit.staged.into_iter().for_each(|change| change()),
            #[cfg(feature = "sqlite")]
            Backing::Sqlite(transaction) => {
                transaction.commit().await.map_err(AuditError::storage)?;
            }
            #[cfg(feature = "postgres")]
            Backing::Postgres(transaction) => {
                transaction.commit().await.map_err(AuditError::storage)?;
            }
        }
        Ok(records)
    }
}

impl fmt::Debug for UnitOfWork<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitOfWork")
            .field("tenant", &self.tenant)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UnitSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitSession")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
