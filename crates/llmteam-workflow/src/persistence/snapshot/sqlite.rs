//! Snapshots in the embedded database.
//!
//! Invariant: `data` is the whole snapshot; what the other columns say is never believed over it.

use std::fmt;

use async_trait::async_trait;
use llmteam_security::{
    clock::Timestamp,
    id::{RunId, TenantId},
    sql::SqliteDatabase,
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};

use super::{PipelineSnapshot, SnapshotFilter, SnapshotInfo, SnapshotStore, check_fence};
use crate::persistence::{error::SnapshotError, schema};

/// A store in a SQLite database.
#[derive(Clone, Debug)]
pub struct SqliteSnapshotStore {
    database: SqliteDatabase,
}

impl SqliteSnapshotStore {
    /// The store in `database`, whose tables are made if they are not there.
    pub async fn open(database: SqliteDatabase) -> Result<Self, SnapshotError> {
        schema::migrate(&database).await.map_err(unavailable)?;
        Ok(Self { database })
    }
}

#[async_trait]
impl SnapshotStore for SqliteSnapshotStore {
    async fn save(
        &self,
        mut snapshot: PipelineSnapshot,
    ) -> Result<PipelineSnapshot, SnapshotError> {
        let (tenant, run) = (snapshot.tenant_id.to_string(), snapshot.run_id.to_string());
        let id = snapshot.snapshot_id.clone();
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await.map_err(unavailable)?;
        let (last, highest): (Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT max(seq), max(fencing_token) FROM pipeline_snapshots WHERE tenant_id = ? AND run_id = ?",
        )
        .bind(&tenant)
        .bind(&run)
        .fetch_one(&mut *transaction)
        .await
        .map_err(unavailable)?;
        check_fence(&snapshot, highest.map(i64::unsigned_abs))?;
        let present: Option<(String, i64, bool)> = sqlx::query_as(
            "SELECT run_id, seq, consumed FROM pipeline_snapshots WHERE tenant_id = ? AND snapshot_id = ?",
        )
        .bind(&tenant)
        .bind(&id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(unavailable)?;
        match &present {
            Some((_, _, true)) => return Err(SnapshotError::Consumed(id)),
            Some((other, _, _)) if *other != run => return Err(SnapshotError::Conflict(id)),
            _ => {}
        }
        if !snapshot.is_sealed() {
            let next = last.unwrap_or(0) + 1;
            snapshot.seq = present.map_or(next, |(_, seq, _)| seq).unsigned_abs();
        }
        let snapshot = snapshot.seal()?;
        let text = snapshot.to_text()?;
        let stored = sqlx::query(
            "INSERT INTO pipeline_snapshots
               (tenant_id, snapshot_id, pipeline_id, run_id, seq, snapshot_type, phase, fencing_token,
                created_at, size_bytes, data)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant_id, snapshot_id) DO UPDATE SET
               pipeline_id = excluded.pipeline_id, seq = excluded.seq, snapshot_type = excluded.snapshot_type,
               phase = excluded.phase, fencing_token = excluded.fencing_token,
               created_at = excluded.created_at, size_bytes = excluded.size_bytes, data = excluded.data",
        )
        .bind(&tenant)
        .bind(&id)
        .bind(&snapshot.pipeline_id)
        .bind(&run)
        .bind(signed(snapshot.seq))
        .bind(word(snapshot.snapshot_type)?)
        .bind(word(snapshot.phase)?)
        .bind(snapshot.fencing_token.map(signed))
        .bind(snapshot.created_at.as_micros())
        .bind(i64::try_from(text.len()).unwrap_or(i64::MAX))
        .bind(text)
        .execute(&mut *transaction)
        .await;
        match stored {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                return Err(SnapshotError::Conflict(id));
            }
            stored => stored.map_err(unavailable)?,
        };
        transaction.commit().await.map_err(unavailable)?;
        Ok(snapshot)
    }

    async fn load(
        &self,
        tenant: &TenantId,
        snapshot_id: &str,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError> {
        let mut reader = self.database.reader().await.map_err(unavailable)?;
        let row = sqlx::query(
            "SELECT snapshot_id, data FROM pipeline_snapshots WHERE tenant_id = ? AND snapshot_id = ?",
        )
        .bind(tenant.as_str())
        .bind(snapshot_id)
        .fetch_optional(&mut *reader)
        .await
        .map_err(unavailable)?;
        row.map(|row| snapshot(tenant, &row)).transpose()
    }

    async fn load_latest(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError> {
        let mut reader = self.database.reader().await.map_err(unavailable)?;
        let row = sqlx::query(
            "SELECT snapshot_id, data FROM pipeline_snapshots WHERE tenant_id = ? AND run_id = ?
              ORDER BY seq DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(run.as_str())
        .fetch_optional(&mut *reader)
        .await
        .map_err(unavailable)?;
        row.map(|row| snapshot(tenant, &row)).transpose()
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: SnapshotFilter,
    ) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        let mut reader = self.database.reader().await.map_err(unavailable)?;
        let rows = sqlx::query(
            "SELECT snapshot_id, pipeline_id, run_id, seq, snapshot_type, phase, created_at, size_bytes, consumed
               FROM pipeline_snapshots
              WHERE tenant_id = ?1 AND (?2 IS NULL OR pipeline_id = ?2) AND (?3 IS NULL OR run_id = ?3)
              ORDER BY created_at DESC, seq DESC LIMIT ?4",
        )
        .bind(tenant.as_str())
        .bind(filter.pipeline)
        .bind(filter.run.map(|it| it.to_string()))
        .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *reader)
        .await
        .map_err(unavailable)?;
        rows.iter().map(info).collect()
    }

    async fn consume(&self, tenant: &TenantId, snapshot_id: &str) -> Result<bool, SnapshotError> {
        let mut writer = self.database.writer().await;
        let marked = sqlx::query(
            "UPDATE pipeline_snapshots SET consumed = 1
              WHERE tenant_id = ? AND snapshot_id = ? AND consumed = 0",
        )
        .bind(tenant.as_str())
        .bind(snapshot_id)
        .execute(&mut *writer)
        .await
        .map_err(unavailable)?;
        Ok(marked.rows_affected() == 1)
    }

    async fn delete(&self, tenant: &TenantId, snapshot_id: &str) -> Result<bool, SnapshotError> {
        let mut writer = self.database.writer().await;
        let deleted =
            sqlx::query("DELETE FROM pipeline_snapshots WHERE tenant_id = ? AND snapshot_id = ?")
                .bind(tenant.as_str())
                .bind(snapshot_id)
                .execute(&mut *writer)
                .await
                .map_err(unavailable)?;
        Ok(deleted.rows_affected() == 1)
    }
}

/// The snapshot of a row. One that was moved to another tenant is a damaged one.
fn snapshot(tenant: &TenantId, row: &SqliteRow) -> Result<PipelineSnapshot, SnapshotError> {
    let snapshot_id: String = row.try_get(0).map_err(unavailable)?;
    let damaged = |reason: String| SnapshotError::IntegrityFailed {
        snapshot_id: snapshot_id.clone(),
        reason,
    };
    let data: String = row.try_get(1).map_err(|error| damaged(error.to_string()))?;
    let snapshot = PipelineSnapshot::from_text(&snapshot_id, &data)?;
    if snapshot.tenant_id != *tenant {
        return Err(damaged("it is of another tenant".to_owned()));
    }
    Ok(snapshot)
}

fn info(row: &SqliteRow) -> Result<SnapshotInfo, SnapshotError> {
    let snapshot_id: String = row.try_get("snapshot_id").map_err(unavailable)?;
    let read = || -> Result<SnapshotInfo, Box<dyn std::error::Error>> {
        Ok(SnapshotInfo {
            snapshot_id: snapshot_id.clone(),
            pipeline_id: row.try_get("pipeline_id")?,
            run_id: row.try_get::<&str, _>("run_id")?.parse::<RunId>()?,
            seq: row.try_get::<i64, _>("seq")?.unsigned_abs(),
            snapshot_type: from_word(row.try_get("snapshot_type")?)?,
            phase: from_word(row.try_get("phase")?)?,
            created_at: Timestamp::from_micros(row.try_get("created_at")?),
            size: usize::try_from(row.try_get::<i64, _>("size_bytes")?)?,
            consumed: row.try_get("consumed")?,
        })
    };
    read().map_err(|error| SnapshotError::IntegrityFailed {
        snapshot_id: snapshot_id.clone(),
        reason: error.to_string(),
    })
}

/// An enumeration as its wire string.
fn word(value: impl Serialize) -> Result<String, SnapshotError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(SnapshotError::Unwritable(format!("{other:?} is no word"))),
    }
}

fn from_word<T: DeserializeOwned>(word: String) -> Result<T, serde_json::Error> {
    serde_json::from_value(serde_json::Value::String(word))
}

/// Databases store signed numbers; no count comes near the end of them.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unavailable(error: impl fmt::Display) -> SnapshotError {
    SnapshotError::Unavailable(error.to_string())
}
