//! Tenants on a Postgres server.
//!
//! Invariant: a tenant's row is read and written in its own transaction; listing and counting, which see all tenants,
//! say so to the server and can only read.

use async_trait::async_trait;

use super::{
    Tenant, TenantFilter, TenantStore,
    row::{self, Row},
    transition,
};
use crate::{
    clock::Timestamp,
    id::TenantId,
    sql::{PostgresDatabase, PostgresOwner, SqlError, TenantTransaction},
    tenancy::{TenantConfig, TenantError},
};

const TABLES: &str = "llmteam-security-tenants";

const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_tenants",
    include_str!("migrations/postgres_0001_tenants.sql"),
)];

const ADMITTED: &str = "purged_at IS NULL
    AND ($1 OR is_active OR deleted_at IS NOT NULL)
    AND ($2 OR deleted_at IS NULL)
    AND ($3 = '' OR tier = $3)";

/// Tenants in a Postgres database.
#[derive(Clone, Debug)]
pub struct PostgresTenantStore {
    database: PostgresDatabase,
}

impl PostgresTenantStore {
    /// Makes the table, as the owner.
    pub async fn migrate(owner: &PostgresOwner) -> Result<(), SqlError> {
        owner.migrate(TABLES, MIGRATIONS).await
    }

    /// The tenants of `database`, which the owner has migrated.
    pub async fn open(database: PostgresDatabase) -> Result<Self, SqlError> {
        database.require(TABLES, MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// Replaces a tenant by what `next` makes of it, in one transaction.
    async fn change(
        &self,
        id: &TenantId,
        next: impl FnOnce(&Tenant) -> Result<Tenant, TenantError> + Send,
    ) -> Result<Tenant, TenantError> {
        let mut transaction = self.database.tenant_transaction(id).await?;
        let stored = select(&mut transaction, id).await?.flatten();
        let changed = next(&stored.ok_or_else(|| transition::not_found(id))?)?;
        let it = row::columns(&changed)?;
        sqlx::query(
            "UPDATE tenants SET version = $1, tier = $2, is_active = $3, deleted_at = $4, config = $5::json
             WHERE tenant_id = $6",
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

/// The tenant, locked until the transaction ends; the inner option is empty when it was purged.
async fn select(
    transaction: &mut TenantTransaction,
    id: &TenantId,
) -> Result<Option<Option<Tenant>>, TenantError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT config::text, version, deleted_at FROM tenants WHERE tenant_id = $1 FOR UPDATE",
    )
    .bind(id.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(|row| row::read(Some(id), row)).transpose()
}

#[async_trait]
impl TenantStore for PostgresTenantStore {
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, TenantError> {
        let mut transaction = self.database.tenant_transaction(id).await?;
        let row: Option<Row> = sqlx::query_as(
            "SELECT config::text, version, deleted_at FROM tenants WHERE tenant_id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let tenant = row.map(|row| row::read(Some(id), row)).transpose()?;
        Ok(tenant.flatten())
    }

    async fn create(&self, config: &TenantConfig) -> Result<Tenant, TenantError> {
        config.check()?;
        let tenant = transition::created(config);
        let it = row::columns(&tenant)?;
        let id = &config.tenant_id;
        let mut transaction = self.database.tenant_transaction(id).await?;
        let inserted = sqlx::query(
            "INSERT INTO tenants (tenant_id, version, tier, is_active, created_at, config)
             VALUES ($1, $2, $3, $4, $5, $6::json) ON CONFLICT (tenant_id) DO NOTHING",
        )
        .bind(id.as_str())
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
                tenant_id: id.clone(),
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
        let mut transaction = self.database.tenant_transaction(id).await?;
        let stored = select(&mut transaction, id).await?;
        let Some(tenant) = stored.ok_or_else(|| transition::not_found(id))? else {
            return Ok(());
        };
        transition::purgeable(&tenant)?;
        sqlx::query(
            "UPDATE tenants SET config = NULL, tier = NULL, purged_at = $1 WHERE tenant_id = $2",
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
            "SELECT config::text, version, deleted_at FROM tenants WHERE {ADMITTED}
             ORDER BY created_at DESC, tenant_id LIMIT $4 OFFSET $5"
        );
        let mut transaction = self.database.platform_transaction().await?;
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(filter.include_inactive)
            .bind(filter.include_deleted)
            .bind(row::tier(filter))
            .bind(i64::from(limit))
            .bind(i64::from(offset))
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let tenants = rows
            .into_iter()
            .filter_map(|row| row::read(None, row).transpose());
        tenants.collect()
    }

    async fn count(&self, filter: &TenantFilter) -> Result<u64, TenantError> {
        let sql = format!("SELECT count(*) FROM tenants WHERE {ADMITTED}");
        let mut transaction = self.database.platform_transaction().await?;
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(filter.include_inactive)
            .bind(filter.include_deleted)
            .bind(row::tier(filter))
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sql::postgres::testing::TestDatabase;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let it = TestDatabase::new().await.unwrap();
        let owner = it.owner().await.unwrap();
        PostgresTenantStore::migrate(&owner).await.unwrap();
        let store = PostgresTenantStore::open(it.app().await.unwrap()).await;
        super::super::contract::check(Arc::new(store.unwrap())).await;
    }
}
