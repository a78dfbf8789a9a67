//! Tenants in the embedded database.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{
    Tenant, TenantFilter, TenantStore, record,
    row::{self, Row},
    transition,
};
use crate::{
    audit::{Actor, AuditTrails},
    clock::Timestamp,
    id::TenantId,
    sql::{SqlError, SqliteDatabase},
    tenancy::{TenantConfig, TenantError},
    unit::{UnitOfWork, UnitSession},
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
    trails: Option<AuditTrails>,
}

impl SqliteTenantStore {
    /// The tenants of `database`, whose table is made if it is not there.
    pub async fn open(database: SqliteDatabase) -> Result<Self, SqlError> {
        database
            .migrate("llmteam-security-tenants", MIGRATIONS)
            .await?;
        Ok(Self {
            database,
            trails: None,
        })
    }

    /// The same, with the audit trails of the same database: a change and its record are one commit.
    pub async fn open_audited(
        database: SqliteDatabase,
        trails: AuditTrails,
    ) -> Result<Self, SqlError> {
        Ok(Self {
            trails: Some(trails),
            ..Self::open(database).await?
        })
    }

    async fn session(&self, id: &TenantId) -> UnitSession<'_> {
        let session = UnitSession::sqlite(id.clone(), self.database.writer().await);
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
        let mut session = self.session(id).await;
        let mut unit = session.begin().await?;
        let transaction = connection(&mut unit)?;
        let stored = select(transaction, id).await?.flatten();
        let stored = stored.ok_or_else(|| transition::not_found(id))?;
        let changed = next(&stored)?;
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
        .execute(transaction)
        .await?;
        if self.trails.is_some() {
            unit.audit(record::changed(&stored, &changed, by));
        }
        unit.commit().await?;
        Ok(changed)
    }
}

fn connection<'a>(unit: &'a mut UnitOfWork<'_>) -> Result<&'a mut SqliteConnection, TenantError> {
    let elsewhere = || TenantError::Store("the unit of work is of another database".to_owned());
    unit.sqlite().ok_or_else(elsewhere)
}

/// The tenant; the inner option is empty when it was purged.
async fn select(
    connection: &mut SqliteConnection,
    id: &TenantId,
) -> Result<Option<Option<Tenant>>, TenantError> {
    let row: Option<Row> =
        sqlx::query_as("SELECT config, version, deleted_at FROM tenants WHERE tenant_id = ?")
            .bind(id.as_str())
            .fetch_optional(connection)
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

    async fn create(&self, config: &TenantConfig, by: &Actor) -> Result<Tenant, TenantError> {
        config.check()?;
        let tenant = transition::created(config);
        let it = row::columns(&tenant)?;
        let mut session = self.session(&config.tenant_id).await;
        let mut unit = session.begin().await?;
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
        .execute(connection(&mut unit)?)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(TenantError::AlreadyExists {
                tenant_id: config.tenant_id.clone(),
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
    use crate::{audit::SqliteAuditStore, clock::SystemClock};

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(folder.path().join("t.db"))
            .await
            .unwrap();
        let store = SqliteTenantStore::open(database).await.unwrap();
        super::super::contract::check(Arc::new(store)).await;
    }

    #[tokio::test]
    async fn each_change_is_recorded_in_its_commit() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(folder.path().join("t.db"))
            .await
            .unwrap();
        let audit = SqliteAuditStore::open(database.clone()).await.unwrap();
        let trails = AuditTrails::new(Arc::new(audit), Arc::new(SystemClock));
        let store = SqliteTenantStore::open_audited(database, trails.clone()).await;
        super::super::contract::each_change_is_recorded(&store.unwrap(), &trails).await;
    }

    #[tokio::test]
    async fn what_cannot_be_recorded_is_not_done() {
        // covers: TEN-31
        let folder = tempfile::tempdir().unwrap();
        let open = async |name: &str| {
            SqliteDatabase::open(folder.path().join(name))
                .await
                .unwrap()
        };
        let (database, other) = (open("t.db").await, open("other.db").await);
        // The tables of the audit trails are in another database than the tenants.
        let audit = SqliteAuditStore::open(other).await.unwrap();
        let trails = AuditTrails::new(Arc::new(audit), Arc::new(SystemClock));
        let store = SqliteTenantStore::open_audited(database, trails)
            .await
            .unwrap();
        let config = TenantConfig::new("a".parse().unwrap(), "A");
        assert!(store.create(&config, &Actor::system()).await.is_err());
        assert_eq!(store.get(&config.tenant_id).await.unwrap(), None);
    }
}
