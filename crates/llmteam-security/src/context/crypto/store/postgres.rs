//! Wrapped data keys on a Postgres server.
//!
//! Invariant: every statement names the tenant, in a transaction that names it too. Storing a data key holds the
//! tenant's row of `closed_keks` in share and closing a version holds it alone, so that no key slips in under a version
//! that is being closed. A destroyed key is gone from its row; the server drops the old row when it vacuums.

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
    sql::{PostgresDatabase, PostgresOwner, SqlError, TenantTransaction},
};

const TABLES: &str = "llmteam-security-seal";

const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_deks",
    include_str!("migrations/postgres/0001_deks.sql"),
)];

const OF_RUN: &str =
    "SELECT run_id, dek_id, kek_version, wrapped, created_at, shredded_at FROM deks
     WHERE tenant_id = $1 AND run_id = $2";

/// Data keys in a Postgres database.
#[derive(Clone, Debug)]
pub struct PostgresDekStore {
    database: PostgresDatabase,
}

impl PostgresDekStore {
    /// Makes the tables, as the owner.
    ///
    /// # Errors
    /// What migrating says.
    pub async fn migrate(owner: &PostgresOwner) -> Result<(), SqlError> {
        owner.migrate(TABLES, MIGRATIONS).await
    }

    /// The store in `database`, which the owner has migrated.
    ///
    /// # Errors
    /// [`SqlError::MissingMigration`].
    pub async fn open(database: PostgresDatabase) -> Result<Self, SqlError> {
        database.require(TABLES, MIGRATIONS).await?;
        Ok(Self { database })
    }

    async fn begin(&self, tenant: &TenantId) -> Result<TenantTransaction, SqlError> {
        self.database.tenant_transaction(tenant).await
    }
}

/// The version up to which the tenant's key is closed, held until the transaction ends: alone, or in share.
async fn closed(
    transaction: &mut TenantTransaction,
    tenant: &TenantId,
    alone: bool,
) -> Result<i64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO closed_keks (tenant_id, version) VALUES ($1, 0) ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_str())
    .execute(&mut **transaction)
    .await?;
    let held = match alone {
        true => "SELECT version FROM closed_keks WHERE tenant_id = $1 FOR UPDATE",
        false => "SELECT version FROM closed_keks WHERE tenant_id = $1 FOR SHARE",
    };
    sqlx::query_scalar(held)
        .bind(tenant.as_str())
        .fetch_one(&mut **transaction)
        .await
}

#[async_trait]
impl DekStore for PostgresDekStore {
    async fn insert(&self, new: &DekRecord) -> Result<Inserted, DekStoreError> {
        let Some(wrapped) = new.wrapped() else {
            return Ok(Inserted::KekRetired);
        };
        let mut transaction = self.begin(&new.tenant).await?;
        let closed = closed(&mut transaction, &new.tenant, false).await?;
        let stored = sqlx::query(
            "INSERT INTO deks (tenant_id, run_id, dek_id, kek_version, wrapped, created_at)
             SELECT $1, $2, $3, $4, $5, $6 WHERE $4 > $7
             ON CONFLICT (tenant_id, run_id) DO NOTHING",
        )
        .bind(new.tenant.as_str())
        .bind(new.run.as_str())
        .bind(new.id.as_bytes().as_slice())
        .bind(i64::from(wrapped.kek.0))
        .bind(wrapped.bytes.as_slice())
        .bind(new.created_at.as_micros())
        .bind(closed)
        .execute(&mut *transaction)
        .await?;
        let other: Option<Row> = sqlx::query_as(OF_RUN)
            .bind(new.tenant.as_str())
            .bind(new.run.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(match other {
            _ if stored.rows_affected() > 0 => Inserted::Stored,
            Some(row) => Inserted::RunHasOne(Box::new(record(&new.tenant, row)?)),
            None => Inserted::KekRetired,
        })
    }

    async fn of_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<DekRecord>, DekStoreError> {
        let mut transaction = self.begin(tenant).await?;
        let row: Option<Row> = sqlx::query_as(OF_RUN)
            .bind(tenant.as_str())
            .bind(run.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        row.map(|row| record(tenant, row)).transpose()
    }

    async fn get(&self, tenant: &TenantId, id: DekId) -> Result<Option<DekRecord>, DekStoreError> {
        let mut transaction = self.begin(tenant).await?;
        let row: Option<Row> = sqlx::query_as(
            "SELECT run_id, dek_id, kek_version, wrapped, created_at, shredded_at FROM deks
             WHERE tenant_id = $1 AND dek_id = $2",
        )
        .bind(tenant.as_str())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        row.map(|row| record(tenant, row)).transpose()
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        id: DekId,
        from: KekVersion,
        to: &WrappedDek,
    ) -> Result<bool, DekStoreError> {
        let mut transaction = self.begin(tenant).await?;
        let closed = closed(&mut transaction, tenant, false).await?;
        let replaced = sqlx::query(
            "UPDATE deks SET kek_version = $4, wrapped = $5
             WHERE tenant_id = $1 AND dek_id = $2 AND kek_version = $3 AND wrapped IS NOT NULL AND $4 > $6",
        )
        .bind(tenant.as_str())
        .bind(id.as_bytes().as_slice())
        .bind(i64::from(from.0))
        .bind(i64::from(to.kek.0))
        .bind(to.bytes.as_slice())
        .bind(closed)
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
        let mut transaction = self.begin(tenant).await?;
        let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT run_id, dek_id, kek_version, wrapped, created_at, shredded_at FROM deks
             WHERE tenant_id = $1 AND kek_version < $2 AND wrapped IS NOT NULL AND dek_id > $3
             ORDER BY dek_id LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(i64::from(version.0))
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.into_iter().map(|row| record(tenant, row)).collect()
    }

    async fn shred(
        &self,
        tenant: &TenantId,
        run: &RunId,
        at: Timestamp,
    ) -> Result<bool, DekStoreError> {
        let mut transaction = self.begin(tenant).await?;
        let shredded = sqlx::query(
            "UPDATE deks SET wrapped = NULL, kek_version = NULL, shredded_at = $1
             WHERE tenant_id = $2 AND run_id = $3 AND wrapped IS NOT NULL",
        )
        .bind(at.as_micros())
        .bind(tenant.as_str())
        .bind(run.as_str())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(shredded.rows_affected() > 0)
    }

    async fn close(&self, tenant: &TenantId, version: KekVersion) -> Result<u64, DekStoreError> {
        let mut transaction = self.begin(tenant).await?;
        closed(&mut transaction, tenant, true).await?;
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM deks WHERE tenant_id = $1 AND kek_version <= $2 AND wrapped IS NOT NULL",
        )
        .bind(tenant.as_str())
        .bind(i64::from(version.0))
        .fetch_one(&mut *transaction)
        .await?;
        if count == 0 {
            sqlx::query(
                "UPDATE closed_keks SET version = greatest(version, $2) WHERE tenant_id = $1",
            )
            .bind(tenant.as_str())
            .bind(i64::from(version.0))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context::crypto::store::contract, sql::postgres::testing::TestDatabase};

    #[tokio::test]
    async fn postgres_keeps_the_contract() {
        let database = TestDatabase::new().await.unwrap();
        let owner = database.owner().await.unwrap();
        PostgresDekStore::migrate(&owner).await.unwrap();
        let app = database.app().await.unwrap();
        contract::check(&PostgresDekStore::open(app).await.unwrap()).await;
    }

    #[tokio::test]
    async fn postgres_without_the_tables_is_refused() {
        let database = TestDatabase::new().await.unwrap();
        let app = database.app().await.unwrap();
        let refused = PostgresDekStore::open(app).await.unwrap_err();
        assert!(matches!(refused, SqlError::MissingMigration { .. }));
    }
}
