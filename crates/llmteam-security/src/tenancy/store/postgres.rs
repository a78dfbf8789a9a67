//! Tenants on a Postgres server.
//!
//! Invariant: a tenant's row is read and written in its own transaction; listing and counting, which see all tenants,
//! say so to the server and can only read.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{
    Tenant, TenantFilter, TenantStore, record,
    row::{self, Row},
    transition,
};
use crate::{
    audit::{Actor, AuditTrails},
    clock::Timestamp,
    id::TenantId,
    sql::{PostgresDatabase, PostgresOwner, SqlError},
    tenancy::{TenantConfig, TenantError},
    unit::{UnitOfWork, UnitSession},
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
    trails: Option<AuditTrails>,
}

impl PostgresTenantStore {
    /// Makes the table, as the owner.
    pub async fn migrate(owner: &PostgresOwner) -> Result<(), SqlError> {
        owner.migrate(TABLES, MIGRATIONS).await
    }

    /// The tenants of `database`, which the owner has migrated.
    pub async fn open(database: PostgresDatabase) -> Result<Self, SqlError> {
        database.require(TABLES, MIGRATIONS).await?;
        Ok(Self {
            database,
            trails: None,
        })
    }

    /// The same, with the audit trails of the same database: a change and its record are one commit.
    pub async fn open_audited(
        database: PostgresDatabase,
        trails: AuditTrails,
    ) -> Result<Self, SqlError> {
        Ok(Self {
            trails: Some(trails),
            ..Self::open(database).await?
        })
    }

    fn session(&self, id: &TenantId) -> UnitSession<'_> {
        let session = UnitSession::postgres(id.clone(), &self.database);
        match &self.trails {
            Some(trails) => session.recorded_by(trails.of(id)),
            None => session,
        }
    }

    /// Replaces a tenant by what `next` makes of it, in one transaction.
    async fn change(
        &self,
        id: &TenantId,
        by: &Actor,
        next: impl FnOnce(&Tenant) -> Result<Tenant, TenantError> + Send,
    ) -> Result<Tenant, TenantError> {
        let mut session = self.session(id);
        let mut unit = session.begin().await?;
        let transaction = connection(&mut unit)?;
        let stored = select(transaction, id).await?.flatten();
        let stored = stored.ok_or_else(|| transition::not_found(id))?;
        let changed = next(&stored)?;
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
        .execute(transaction)
        .await?;
        if self.trails.is_some() {
            unit.audit(record::changed(&stored, &changed, by));
        }
        unit.commit().await?;
        Ok(changed)
    }
}

fn connection<'a>(unit: &'a mut UnitOfWork<'_>) -> Result<&'a mut PgConnection, TenantError> {
    let elsewhere = || TenantError::Store("the unit of work is of another database".to_owned());
    unit.postgres().ok_or_else(elsewhere)
}

/// The tenant, locked until the transaction ends; the inner option is empty when it was purged.
async fn select(
    connection: &mut PgConnection,
    id: &TenantId,
) -> Result<Option<Option<Tenant>>, TenantError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT config::text, version, deleted_at FROM tenants WHERE tenant_id = $1 FOR UPDATE",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
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

    async fn create(&self, config: &TenantConfig, by: &Actor) -> Result<Tenant, TenantError> {
        config.check()?;
        let tenant = transition::created(config);
        let it = row::columns(&tenant)?;
        let id = &config.tenant_id;
        let mut session = self.session(id);
        let mut unit = session.begin().await?;
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
        .execute(connection(&mut unit)?)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(TenantError::AlreadyExists {
                tenant_id: id.clone(),
            });
        }
        if self.trails.is_some() {
            unit.audit(record::created(&tenant, by));
        }
        unit.commit().await?;
        Ok(tenant)
    }

    async fn update(
        &self,
        config: &TenantConfig,
        version: u64,
        by: &Actor,
    ) -> Result<Tenant, TenantError> {
        config.check()?;
        let next = |stored: &Tenant| transition::updated(stored, config, version);
        self.change(&config.tenant_id, by, next).await
    }

    async fn delete(
        &self,
        id: &TenantId,
        at: Timestamp,
        by: &Actor,
    ) -> Result<Tenant, TenantError> {
        self.change(id, by, |stored| transition::deleted(stored, at))
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
    use crate::{
        audit::PostgresAuditStore, clock::SystemClock, sql::postgres::testing::TestDatabase,
    };

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let it = TestDatabase::new().await.unwrap();
        let owner = it.owner().await.unwrap();
        PostgresTenantStore::migrate(&owner).await.unwrap();
        let store = PostgresTenantStore::open(it.app().await.unwrap()).await;
        super::super::contract::check(Arc::new(store.unwrap())).await;
    }

    #[tokio::test]
    async fn each_change_is_recorded_in_its_commit() {
        let it = TestDatabase::new().await.unwrap();
        let owner = it.owner().await.unwrap();
        PostgresTenantStore::migrate(&owner).await.unwrap();
        PostgresAuditStore::migrate(&owner).await.unwrap();
        let database = it.app().await.unwrap();
        let audit = PostgresAuditStore::open(database.clone()).await.unwrap();
        let trails = AuditTrails::new(Arc::new(audit), Arc::new(SystemClock));
        let store = PostgresTenantStore::open_audited(database, trails.clone()).await;
        super::super::contract::each_change_is_recorded(&store.unwrap(), &trails).await;
    }
}
