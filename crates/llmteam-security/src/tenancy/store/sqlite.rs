//! Tenants in the embedded database.

use async_trait::async_trait;

use super::{
    Tenant, TenantFilter, TenantStore,
    row::{self, Row},
    transition,
};
use crate::{
    clock::Timestamp,
    id::TenantId,
    sql::{SqlError, SqliteDatabase, SqliteTransaction},
    tenancy::{TenantConfig, TenantError},
};

const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_tenants",
    include_str!("migrations/sqlite_0001_tenants.sql"),
)];

const ADMITTED: &str = "purged_at IS NULL
    AND (?1 OR is_active OR deleted_at IS NOT NULL)
    AND (?2 OR deleted_at IS NULL)
    AND (?3 = '' OR tier = ?3)";

/// Tenants in a SQLite database.
#[derive(Clone, Debug)]
pub struct SqliteTenantStore {
    database: SqliteDatabase,
}

impl SqliteTenantStore {
    /// The tenants of `database`, whose table is made if it is not there.
    pub async fn open(database: SqliteDatabase) -> Result<Self, SqlError> {
        database
            .migrate("llmteam-security-tenants", MIGRATIONS)
            .await?;
        Ok(Self { database })
    }

    /// Replaces a tenant by what `next` makes of it, in one transaction.
    async fn change(
        &self,
        id: &TenantId,
        next: impl FnOnce(&Tenant) -> Result<Tenant, TenantError> + Send,
    ) -> Result<Tenant, TenantError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let stored = select(&mut transaction, id).await?.flatten();
        let changed = next(&stored.ok_or_else(|| transition::not_found(id))?)?;
        let it = row::columns(&changed)?;
        sqlx::query(
            "UPDATE tenants SET version = ?, tier = ?, is_active = ?, deleted_at = ?, config = ? WHERE tenant_id = ?",
        )
        .bind(it.version)
        .bind(it.tier)
        .bind(it.is_active)
        .bind(it.deleted_at)
        .bind(it.config)
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(changed)
    }
}

/// The tenant; the inner option is empty when it was purged.
async fn select(
    transaction: &mut SqliteTransaction<'_>,
    id: &TenantId,
) -> Result<Option<Option<Tenant>>, TenantError> {
    let row: Option<Row> =
        sqlx::query_as("SELECT config, version, deleted_at FROM tenants WHERE tenant_id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut **transaction)
            .await?;
    row.map(|row| row::read(Some(id), row)).transpose()
}

#[async_trait]
impl TenantStore for SqliteTenantStore {
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, TenantError> {
        let mut reader = self.database.reader().await?;
        let row: Option<Row> =
            sqlx::query_as("SELECT config, version, deleted_at FROM tenants WHERE tenant_id = ?")
                .bind(id.as_str())
                .fetch_optional(&mut *reader)
                .await?;
        let tenant = row.map(|row| row::read(Some(id), row)).transpose()?;
        Ok(tenant.flatten())
    }

    async fn create(&self, config: &TenantConfig) -> Result<Tenant, TenantError> {
        config.check()?;
        let tenant = transition::created(config);
        let it = row::columns(&tenant)?;
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO tenants (tenant_id, version, tier, is_active, created_at, config)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id) DO NOTHING",
        )
        .bind(config.tenant_id.as_str())
        .bind(it.version)
        .bind(it.tier)
        .bind(it.is_active)
        .bind(it.created_at)
        .bind(it.config)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        if inserted.rows_affected() == 0 {
            return Err(TenantError::AlreadyExists {
                tenant_id: config.tenant_id.clone(),
            });
        }
        Ok(tenant)
    }

    async fn update(&self, config: &TenantConfig, version: u64) -> Result<Tenant, TenantError> {
        config.check()?;
        let next = |stored: &Tenant| transition::updated(stored, config, version);
        self.change(&config.tenant_id, next).await
    }

    async fn delete(&self, id: &TenantId, at: Timestamp) -> Result<Tenant, TenantError> {
        self.change(id, |stored| transition::deleted(stored, at))
            .await
    }

    async fn purge(&self, id: &TenantId, at: Timestamp) -> Result<(), TenantError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let stored = select(&mut transaction, id).await?;
        let Some(tenant) = stored.ok_or_else(|| transition::not_found(id))? else {
            return Ok(());
        };
        transition::purgeable(&tenant)?;
        sqlx::query(
            "UPDATE tenants SET config = NULL, tier = NULL, purged_at = ? WHERE tenant_id = ?",
        )
        .bind(at.as_micros())
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    async fn list(
        &self,
        filter: &TenantFilter,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Tenant>, TenantError> {
        let sql = format!(
            "SELECT config, version, deleted_at FROM tenants WHERE {ADMITTED}
             ORDER BY created_at DESC, tenant_id LIMIT ?4 OFFSET ?5"
        );
        let mut reader = self.database.reader().await?;
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(filter.include_inactive)
            .bind(filter.include_deleted)
            .bind(row::tier(filter))
            .bind(limit)
            .bind(offset)
            .fetch_all(&mut *reader)
            .await?;
        let tenants = rows
            .into_iter()
            .filter_map(|row| row::read(None, row).transpose());
        tenants.collect()
    }

    async fn count(&self, filter: &TenantFilter) -> Result<u64, TenantError> {
        let sql = format!("SELECT count(*) FROM tenants WHERE {ADMITTED}");
        let mut reader = self.database.reader().await?;
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(filter.include_inactive)
            .bind(filter.include_deleted)
            .bind(row::tier(filter))
            .fetch_one(&mut *reader)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(folder.path().join("t.db"))
            .await
            .unwrap();
        let store = SqliteTenantStore::open(database).await.unwrap();
        super::super::contract::check(Arc::new(store)).await;
    }
}
