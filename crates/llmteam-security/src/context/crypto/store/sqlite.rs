//! Wrapped data keys in SQLite.
//!
//! Invariant: every statement names the tenant. Destroying a key overwrites its bytes in the file and empties the
//! write-ahead log, so that the file does not keep what was destroyed.

use async_trait::async_trait;

use super::{
    DekStore, Inserted,
    row::{Row, record},
};
use crate::{
    clock::Timestamp,
    context::crypto::{
        dek::{DekId, DekRecord, WrappedDek},
        error::DekStoreError,
        kek::KekVersion,
    },
    id::{RunId, TenantId},
    sql::{SqlError, SqliteDatabase},
};

const MIGRATIONS: &[(&str, &str)] =
    &[("0001_deks", include_str!("migrations/sqlite/0001_deks.sql"))];

const OF_RUN: &str =
    "SELECT run_id, dek_id, kek_version, wrapped, created_at, shredded_at FROM deks
                      WHERE tenant_id = ? AND run_id = ?";

/// Data keys in a SQLite database.
#[derive(Clone, Debug)]
pub struct SqliteDekStore {
    database: SqliteDatabase,
}

impl SqliteDekStore {
    /// The store in `database`, whose tables are made if they are not there.
    ///
    /// # Errors
    /// What migrating says.
    pub async fn open(database: SqliteDatabase) -> Result<Self, SqlError> {
        database
            .migrate("llmteam-security-seal", MIGRATIONS)
            .await?;
        Ok(Self { database })
    }
}

#[async_trait]
impl DekStore for SqliteDekStore {
    async fn insert(&self, new: &DekRecord) -> Result<Inserted, DekStoreError> {
        let Some(wrapped) = new.wrapped() else {
            return Ok(Inserted::KekRetired);
        };
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        if let Some(row) = sqlx::query_as::<_, Row>(OF_RUN)
            .bind(new.tenant.as_str())
            .bind(new.run.as_str())
            .fetch_optional(&mut *transaction)
            .await?
        {
            return Ok(Inserted::RunHasOne(Box::new(record(&new.tenant, row)?)));
        }
        let stored = sqlx::query(
            "INSERT INTO deks (tenant_id, run_id, dek_id, kek_version, wrapped, created_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS
               (SELECT 1 FROM closed_keks WHERE tenant_id = ?1 AND version >= ?4)",
        )
        .bind(new.tenant.as_str())
        .bind(new.run.as_str())
        .bind(new.id.as_bytes().as_slice())
        .bind(wrapped.kek.0)
        .bind(wrapped.bytes.as_slice())
        .bind(new.created_at.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(match stored.rows_affected() {
            0 => Inserted::KekRetired,
            _ => Inserted::Stored,
        })
    }

    async fn of_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<DekRecord>, DekStoreError> {
        let mut reader = self.database.reader().await?;
        let row = sqlx::query_as::<_, Row>(OF_RUN)
            .bind(tenant.as_str())
            .bind(run.as_str())
            .fetch_optional(&mut *reader)
            .await?;
        row.map(|row| record(tenant, row)).transpose()
    }

    async fn get(&self, tenant: &TenantId, id: DekId) -> Result<Option<DekRecord>, DekStoreError> {
        let mut reader = self.database.reader().await?;
        let row = sqlx::query_as::<_, Row>(
            "SELECT run_id, dek_id, kek_version, wrapped, created_at, shredded_at FROM deks
             WHERE tenant_id = ? AND dek_id = ?",
        )
        .bind(tenant.as_str())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&mut *reader)
        .await?;
        row.map(|row| record(tenant, row)).transpose()
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        id: DekId,
        from: KekVersion,
        to: &WrappedDek,
    ) -> Result<bool, DekStoreError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let replaced = sqlx::query(
            "UPDATE deks SET kek_version = ?4, wrapped = ?5
             WHERE tenant_id = ?1 AND dek_id = ?2 AND kek_version = ?3 AND wrapped IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM closed_keks WHERE tenant_id = ?1 AND version >= ?4)",
        )
        .bind(tenant.as_str())
        .bind(id.as_bytes().as_slice())
        .bind(from.0)
        .bind(to.kek.0)
        .bind(to.bytes.as_slice())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(replaced.rows_affected() > 0)
    }

    async fn below(
        &self,
        tenant: &TenantId,
        version: KekVersion,
        after: Option<DekId>,
        limit: usize,
    ) -> Result<Vec<DekRecord>, DekStoreError> {
        let mut reader = self.database.reader().await?;
        let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
        let rows = sqlx::query_as::<_, Row>(
            "SELECT run_id, dek_id, kek_version, wrapped, created_at, shredded_at FROM deks
             WHERE tenant_id = ? AND kek_version < ? AND wrapped IS NOT NULL AND dek_id > ?
             ORDER BY dek_id LIMIT ?",
        )
        .bind(tenant.as_str())
        .bind(version.0)
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *reader)
        .await?;
        rows.into_iter().map(|row| record(tenant, row)).collect()
    }

    async fn shred(
        &self,
        tenant: &TenantId,
        run: &RunId,
        at: Timestamp,
    ) -> Result<bool, DekStoreError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let shredded = sqlx::query(
            "UPDATE deks SET wrapped = NULL, kek_version = NULL, shredded_at = ?
             WHERE tenant_id = ? AND run_id = ? AND wrapped IS NOT NULL",
        )
        .bind(at.as_micros())
        .bind(tenant.as_str())
        .bind(run.as_str())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        // The log still holds the page as it was.
        let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *writer)
            .await?;
        if busy != 0 {
            return Err(DekStoreError::Unavailable(
                "the key is destroyed, but a reader still holds the page it was on; shred it again"
                    .to_owned(),
            ));
        }
        Ok(shredded.rows_affected() > 0)
    }

    async fn close(&self, tenant: &TenantId, version: KekVersion) -> Result<u64, DekStoreError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM deks WHERE tenant_id = ? AND kek_version <= ? AND wrapped IS NOT NULL",
        )
        .bind(tenant.as_str())
        .bind(version.0)
        .fetch_one(&mut *transaction)
        .await?;
        if count == 0 {
            sqlx::query(
                "INSERT INTO closed_keks (tenant_id, version) VALUES (?, ?)
                 ON CONFLICT (tenant_id) DO UPDATE SET version = max(version, excluded.version)",
            )
            .bind(tenant.as_str())
            .bind(version.0)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
        }
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::crypto::store::contract;

    #[tokio::test]
    async fn sqlite_keeps_the_contract() {
        let database = SqliteDatabase::memory().await.unwrap();
        contract::check(&SqliteDekStore::open(database).await.unwrap()).await;
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(folder.path().join("t.db"))
            .await
            .unwrap();
        contract::check(&SqliteDekStore::open(database).await.unwrap()).await;
    }

    #[tokio::test]
    async fn a_destroyed_key_is_gone_from_the_files() {
        // covers: CTX-37
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(folder.path().join("t.db"))
            .await
            .unwrap();
        let store = SqliteDekStore::open(database).await.unwrap();
        let secret = b"the wrapped bytes of one data key".to_vec();
        let record = contract::live("t", "r", 7, 1, secret.clone());
        assert_eq!(store.insert(&record).await.unwrap(), Inserted::Stored);
        let found = || {
            let files = std::fs::read_dir(folder.path()).unwrap();
            files
                .map(|file| std::fs::read(file.unwrap().path()).unwrap())
                .any(|bytes| bytes.windows(secret.len()).any(|it| it == secret))
        };
        assert!(found());
        let at = Timestamp::from_micros(5);
        assert!(store.shred(&record.tenant, &record.run, at).await.unwrap());
        assert!(!found());
    }
}
