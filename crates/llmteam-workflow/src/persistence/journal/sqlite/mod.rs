//! The journal in the embedded database, shared by all processes that open the file.
//!
//! Invariant: the database itself refuses an entry that does not follow or whose writer does not own the run
//! (`journal_append` in the migrations). What is read is checked against its checksums and its place.

mod rows;
mod statements;
#[cfg(test)]
pub(super) mod tests;
mod writer;

use std::{fmt, sync::atomic::Ordering};

use async_trait::async_trait;
use llmteam_security::{
    audit::AuditTrails,
    id::{RunId, TenantId},
    sql::SqliteDatabase,
};
use sqlx::{AssertSqlSafe, Row};

use self::{
    statements::{Addition, Creation, signed},
    writer::{NO_KEY, Writer},
};
use super::{BoundStart, Journal, JournalEntry, StartKey, check_batch};
use crate::persistence::{
    error::JournalError,
    lease::{Lease, Owner},
    run::{NewRun, RunFilter, RunRow, RunState, RunUpdate},
    schema,
};

/// A journal in a SQLite database.
#[derive(Debug)]
pub struct SqliteJournal {
    database: SqliteDatabase,
    writer: Writer,
    audits: bool,
}

impl SqliteJournal {
    /// The journal in `database`, whose tables are made if they are not there. A task of the present tokio
    /// runtime writes for it; when that runtime ends, writing is [`JournalError::Unavailable`].
    pub async fn open(database: SqliteDatabase) -> Result<Self, JournalError> {
        Self::start(database, None).await
    }

    /// The same, with the audit logs of the same database: what runs say is put aside in the commit that keeps
    /// what they did, and where it cannot be, that is not kept either. An [`AuditSequencer`] of the host appends it;
    /// without one the journal stops taking entries when too much waits.
    ///
    /// [`AuditSequencer`]: llmteam_security::audit::AuditSequencer
    pub async fn open_audited(
        database: SqliteDatabase,
        trails: AuditTrails,
    ) -> Result<Self, JournalError> {
        Self::start(database, Some(trails)).await
    }

    async fn start(
        database: SqliteDatabase,
        trails: Option<AuditTrails>,
    ) -> Result<Self, JournalError> {
        schema::migrate(&database).await.map_err(unavailable)?;
        let audits = trails.is_some();
        let writer = Writer::start(database.clone(), trails);
        Ok(Self {
            database,
            writer,
            audits,
        })
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn create(
        &self,
        mut run: NewRun,
        owner: &Owner,
        first: Vec<JournalEntry>,
    ) -> Result<Lease, JournalError> {
        check_batch(&run.run, 0, &first)?;
        let (tenant, id) = (run.tenant.clone(), run.run.clone());
        let update = RunUpdate {
            state: RunState::Running,
            summary: None,
            wake_at: None,
            audit: std::mem::take(&mut run.audit),
        };
        let creation = Creation::new(run, owner.clone(), first.is_empty());
        let addition = Addition::new(&tenant, &id, (NO_KEY, 1), first, &update)?;
        let key = self.writer.write(Some(creation), addition).await?;
        Ok(Lease::new(tenant, id, 1, key))
    }

    async fn append(
        &self,
        lease: &Lease,
        batch: Vec<JournalEntry>,
        update: RunUpdate,
    ) -> Result<(), JournalError> {
        let first = batch.first().map_or(0, |it| it.index);
        check_batch(&lease.run, first, &batch)?;
        let place = (lease.key, lease.epoch);
        let addition = Addition::new(&lease.tenant, &lease.run, place, batch, &update)?;
        self.writer.write(None, addition).await?;
        if update.state.is_final() {
            lease.ended.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn audits(&self) -> bool {
        self.audits
    }

    async fn read(
        &self,
        tenant: &TenantId,
        run: &RunId,
        from: u64,
    ) -> Result<Vec<JournalEntry>, JournalError> {
        let failed = |error| failed_reading(run, error);
        let mut reader = self.database.reader().await.map_err(unavailable)?;
        let stored = sqlx::query(
            "SELECT r.format, r.epoch, r.next_index, j.idx, j.epoch, j.kind, j.step_id, j.time, j.crc, j.body
               FROM runs r LEFT JOIN journal j ON j.run_key = r.run_key AND j.idx >= ?
              WHERE r.tenant_id = ? AND r.run_id = ? ORDER BY j.idx",
        )
        .bind(signed(from))
        .bind(tenant.as_str())
        .bind(run.as_str())
        .fetch_all(&mut *reader)
        .await
        .map_err(failed)?;
        drop(reader);
        rows::entries(tenant, run, from, &stored)
    }

    async fn claim(
        &self,
        tenant: &TenantId,
        run: &RunId,
        owner: &Owner,
    ) -> Result<Lease, JournalError> {
        let failed = |error| failed_reading(run, error);
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await.map_err(unavailable)?;
        let row = sqlx::query(
            "SELECT run_key, format, epoch, owner_host, owner_pid, owner_started FROM runs
              WHERE tenant_id = ? AND run_id = ?",
        )
        .bind(tenant.as_str())
        .bind(run.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?
        .ok_or_else(|| JournalError::RunNotFound { run: run.clone() })?;
        let present = rows::claimed(run, &row)?;
        owner.may_follow(present.owner.as_ref(), run)?;
        let epoch = present.epoch + 1;
        sqlx::query(
            "UPDATE runs SET epoch = ?, owner_host = ?, owner_pid = ?, owner_started = ?,
                    idle_claims = idle_claims + 1
              WHERE run_key = ?",
        )
        .bind(signed(epoch))
        .bind(owner.host())
        .bind(owner.pid())
        .bind(signed(owner.process_started()))
        .bind(present.key)
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(Lease::new(tenant.clone(), run.clone(), epoch, present.key))
    }

    async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        if lease.ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut writer = self.database.writer().await;
        sqlx::query(
            "UPDATE runs SET owner_host = NULL, owner_pid = NULL, owner_started = NULL
              WHERE run_key = ? AND epoch = ?",
        )
        .bind(lease.key)
        .bind(signed(lease.epoch))
        .execute(&mut *writer)
        .await
        .map_err(unavailable)?;
        Ok(())
    }

    async fn run(&self, tenant: &TenantId, run: &RunId) -> Result<Option<RunRow>, JournalError> {
        let mut reader = self.database.reader().await.map_err(unavailable)?;
        let row = sqlx::query("SELECT * FROM runs WHERE tenant_id = ? AND run_id = ?")
            .bind(tenant.as_str())
            .bind(run.as_str())
            .fetch_optional(&mut *reader)
            .await
            .map_err(|error| failed_reading(run, error))?;
        row.as_ref().map(rows::run).transpose()
    }

    async fn runs(
        &self,
        tenant: &TenantId,
        filter: RunFilter,
    ) -> Result<Vec<RunRow>, JournalError> {
        let mut sql = "SELECT * FROM runs WHERE tenant_id = ?".to_owned();
        if !filter.states.is_empty() {
            sql += &format!(
                " AND state IN ({})",
                vec!["?"; filter.states.len()].join(", ")
            );
            if !filter.states.iter().any(|it| it.is_final()) {
                // So that the few open runs are not looked for among all that ended.
                sql += " AND ended = 0";
            }
        }
        if filter.segment.is_some() {
            sql += " AND segment_id = ?";
        }
        if filter.parent.is_some() {
            sql += " AND parent_id = ?";
        }
        if filter.before.is_some() {
            sql += " AND run_key < (SELECT run_key FROM runs WHERE tenant_id = ? AND run_id = ?)";
        }
        sql += " ORDER BY run_key DESC LIMIT ?";
        // Put together from the texts above; all data is bound.
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(tenant.as_str());
        for state in &filter.states {
            query = query.bind(state.as_str());
        }
        if let Some(segment) = &filter.segment {
            query = query.bind(segment.as_str());
        }
        if let Some(parent) = &filter.parent {
            query = query.bind(parent.as_str());
        }
        if let Some(before) = &filter.before {
            query = query.bind(tenant.as_str()).bind(before.as_str());
        }
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let mut reader = self.database.reader().await.map_err(unavailable)?;
        let found = query.bind(limit).fetch_all(&mut *reader).await;
        found.map_err(unavailable)?.iter().map(rows::run).collect()
    }

    async fn put_definition(
        &self,
        tenant: &TenantId,
        hash: &str,
        body: &str,
    ) -> Result<(), JournalError> {
        let mut writer = self.database.writer().await;
        sqlx::query("INSERT INTO definitions (tenant_id, hash, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(tenant.as_str())
            .bind(hash)
            .bind(body)
            .execute(&mut *writer)
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    async fn bind_start(&self, start: &StartKey) -> Result<BoundStart, JournalError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await.map_err(unavailable)?;
        let row = sqlx::query(
            "INSERT INTO start_keys (tenant_id, segment_id, start_key, run_id, input_hash, until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET
               run_id     = CASE WHEN until <= ?7 THEN excluded.run_id     ELSE run_id END,
               input_hash = CASE WHEN until <= ?7 THEN excluded.input_hash ELSE input_hash END,
               until      = CASE WHEN until <= ?7 THEN excluded.until      ELSE until END
             RETURNING run_id, input_hash",
        )
        .bind(start.tenant.as_str())
        .bind(start.segment.as_str())
        .bind(&start.key)
        .bind(start.run.as_str())
        .bind(&start.input_hash)
        .bind(start.until.as_micros())
        .bind(start.at.as_micros())
        .fetch_one(&mut *transaction)
        .await
        .map_err(unavailable)?;
        let (run, input_hash): (String, String) = (
            row.try_get(0).map_err(unavailable)?,
            row.try_get(1).map_err(unavailable)?,
        );
        transaction.commit().await.map_err(unavailable)?;
        let run = run.parse().map_err(|_| JournalError::Corrupt {
            run: start.run.clone(),
            reason: "a start key is bound to what is no run id".to_owned(),
        })?;
        Ok(BoundStart { run, input_hash })
    }

    async fn definition(
        &self,
        tenant: &TenantId,
        hash: &str,
    ) -> Result<Option<String>, JournalError> {
        let mut reader = self.database.reader().await.map_err(unavailable)?;
        let row = sqlx::query("SELECT body FROM definitions WHERE tenant_id = ? AND hash = ?")
            .bind(tenant.as_str())
            .bind(hash)
            .fetch_optional(&mut *reader)
            .await
            .map_err(unavailable)?;
        row.map(|row| row.try_get(0))
            .transpose()
            .map_err(unavailable)
    }
}

/// SQLite's codes for a file that is not as it was written, and for one that never was a database.
const DAMAGED: [u32; 2] = [11, 26];

fn failed_reading(run: &RunId, error: sqlx::Error) -> JournalError {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok());
    // The low byte of an extended code is the primary one.
    if code.is_some_and(|code| DAMAGED.contains(&(code & 0xff))) {
        let reason = error.to_string();
        return JournalError::Corrupt {
            run: run.clone(),
            reason,
        };
    }
    unavailable(error)
}

fn unavailable(error: impl fmt::Display) -> JournalError {
    JournalError::Unavailable(error.to_string())
}
