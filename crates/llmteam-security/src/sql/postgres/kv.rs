//! A key-value store on a Postgres server.
//!
//! Invariant: every key belongs to a tenant, named by the codec of [`crate::kv::KeyCodec`]; a value is read and written
//! in that tenant's transaction and by a statement that names the tenant, so that either alone keeps tenants apart.

use async_trait::async_trait;
use serde_json::Value;

use super::{PostgresDatabase, PostgresOwner, TenantTransaction};
use crate::{
    id::TenantId,
    kv::{KeyValueStore, KvError},
    sql::SqlError,
    tenancy::AdminCapability,
};

const TABLES: &str = "llmteam-security-kv";

const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_key_values",
    include_str!("migrations/0001_key_values.sql"),
)];

/// The store of one name in a Postgres database, for keys that belong to tenants.
#[derive(Clone, Debug)]
pub struct PostgresKeyValueStore {
    database: PostgresDatabase,
    name: String,
    lists_all: bool,
}

impl PostgresKeyValueStore {
    /// Makes the table, as the owner.
    pub async fn migrate(owner: &PostgresOwner) -> Result<(), SqlError> {
        owner.migrate(TABLES, MIGRATIONS).await
    }

    /// The store `name` of `database`, which the owner has migrated.
    pub async fn open(
        database: PostgresDatabase,
        name: impl Into<String>,
    ) -> Result<Self, SqlError> {
        database.require(TABLES, MIGRATIONS).await?;
        Ok(Self {
            database,
            name: name.into(),
            lists_all: false,
        })
    }

    /// The same store for [`crate::tenancy::CrossTenantStore`]: it also lists the keys of all tenants at once.
    #[must_use]
    pub fn across_tenants(&self, _admin: &AdminCapability) -> Self {
        Self {
            lists_all: true,
            ..self.clone()
        }
    }

    /// The transaction of the tenant to which `physical` belongs, and the rest of the key.
    async fn begin<'a>(&self, physical: &'a str) -> Result<(TenantTransaction, &'a [u8]), KvError> {
        let (tenant, key) = split(physical).ok_or(KvError::Unscoped)?;
        let transaction = self.database.tenant_transaction(&tenant).await?;
        Ok((transaction, key.as_bytes()))
    }

    async fn list_all(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        let mut transaction = self.database.platform_transaction().await?;
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT tenant_id, key FROM key_values WHERE store = $1")
                .bind(&self.name)
                .fetch_all(&mut *transaction)
                .await?;
        transaction.commit().await?;
        let keys = rows.into_iter().map(|(tenant, key)| physical(&tenant, key));
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
        keys.retain(|key| key.starts_with(prefix));
        keys.sort_unstable();
        Ok(keys)
    }
}

/// The tenant and the rest of a physical key.
fn split(physical: &str) -> Option<(TenantId, &str)> {
    let (tenant, key) = physical.split_once(':')?;
    Some((tenant.parse().ok()?, key))
}

fn physical(tenant: &str, key: Vec<u8>) -> Result<String, KvError> {
    let key = String::from_utf8(key)
        .map_err(|_| KvError::Unavailable("a stored key is damaged".to_owned()))?;
    Ok(format!("{tenant}:{key}"))
}

#[async_trait]
impl KeyValueStore for PostgresKeyValueStore {
    async fn get(&self, key: &str) -> Result<Option<Value>, KvError> {
        let (mut transaction, rest) = self.begin(key).await?;
        let tenant = transaction.tenant().clone();
        let text: Option<String> = sqlx::query_scalar(
            "SELECT value::text FROM key_values WHERE tenant_id = $1 AND store = $2 AND key = $3",
        )
        .bind(tenant.as_str())
        .bind(&self.name)
        .bind(rest)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        text.map(|text| serde_json::from_str(&text).map_err(|_| KvError::Damaged(key.to_owned())))
            .transpose()
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), KvError> {
        let (mut transaction, rest) = self.begin(key).await?;
        let tenant = transaction.tenant().clone();
        sqlx::query(
            "INSERT INTO key_values (tenant_id, store, key, value) VALUES ($1, $2, $3, $4::json)
             ON CONFLICT (tenant_id, store, key) DO UPDATE SET value = excluded.value",
        )
        .bind(tenant.as_str())
        .bind(&self.name)
        .bind(rest)
        .bind(value.to_string())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    async fn delete(&self, key: &str) -> Result<bool, KvError> {
        let (mut transaction, rest) = self.begin(key).await?;
        let tenant = transaction.tenant().clone();
        let deleted =
            sqlx::query("DELETE FROM key_values WHERE tenant_id = $1 AND store = $2 AND key = $3")
                .bind(tenant.as_str())
                .bind(&self.name)
                .bind(rest)
                .execute(&mut *transaction)
                .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        if self.lists_all && split(prefix).is_none() {
            return self.list_all(prefix).await;
        }
        let (mut transaction, rest) = self.begin(prefix).await?;
        let tenant = transaction.tenant().clone();
        // No key holds the byte 0xff, so it comes after every key with the prefix.
        let end = [rest, &[0xff]].concat();
        let keys: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT key FROM key_values
             WHERE tenant_id = $1 AND store = $2 AND key >= $3 AND key < $4 ORDER BY key",
        )
        .bind(tenant.as_str())
        .bind(&self.name)
        .bind(rest)
        .bind(end)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let keys = keys.into_iter().map(|key| physical(tenant.as_str(), key));
        keys.collect()
    }
}
