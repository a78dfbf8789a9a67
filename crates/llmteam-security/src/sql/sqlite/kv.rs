//! A key-value store in the embedded database.
//!
//! Invariant: keys are compared by bytes. Stores of one database are told apart by name; their scopes are
//! not this module's concern: see [`crate::kv::ScopedStore`].

use async_trait::async_trait;
use serde_json::Value;

use super::SqliteDatabase;
use crate::{
    kv::{KeyValueStore, KvError},
    sql::SqlError,
};

const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_key_values",
    include_str!("migrations/0001_key_values.sql"),
)];

/// The store of one name in a SQLite database.
#[derive(Clone, Debug)]
pub struct SqliteKeyValueStore {
    database: SqliteDatabase,
    name: String,
}

impl SqliteKeyValueStore {
    /// The store `name` of `database`, whose table is made if it is not there.
    pub async fn open(database: SqliteDatabase, name: impl Into<String>) -> Result<Self, SqlError> {
        database.migrate("llmteam-security-kv", MIGRATIONS).await?;
        Ok(Self {
            database,
            name: name.into(),
        })
    }
}

#[async_trait]
impl KeyValueStore for SqliteKeyValueStore {
    async fn get(&self, key: &str) -> Result<Option<Value>, KvError> {
        let mut reader = self.database.reader().await?;
        let text: Option<String> =
            sqlx::query_scalar("SELECT value FROM key_values WHERE store = ? AND key = ?")
                .bind(&self.name)
                .bind(key.as_bytes())
                .fetch_optional(&mut *reader)
                .await?;
        text.map(|text| serde_json::from_str(&text).map_err(|_| KvError::Damaged(key.to_owned())))
            .transpose()
    }

    async fn set(&self, key: &str, value: Value) -> Result<(), KvError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        sqlx::query(
            "INSERT INTO key_values (store, key, value) VALUES (?, ?, ?)
             ON CONFLICT (store, key) DO UPDATE SET value = excluded.value",
        )
        .bind(&self.name)
        .bind(key.as_bytes())
        .bind(value.to_string())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    async fn delete(&self, key: &str) -> Result<bool, KvError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let deleted = sqlx::query("DELETE FROM key_values WHERE store = ? AND key = ?")
            .bind(&self.name)
            .bind(key.as_bytes())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, KvError> {
        // No key holds the byte 0xff, so it comes after every key with the prefix.
        let end = [prefix.as_bytes(), &[0xff]].concat();
        let mut reader = self.database.reader().await?;
        let keys: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT key FROM key_values WHERE store = ? AND key >= ? AND key < ? ORDER BY key",
        )
        .bind(&self.name)
        .bind(prefix.as_bytes())
        .bind(end)
        .fetch_all(&mut *reader)
        .await?;
        let text = |key| {
            String::from_utf8(key)
                .map_err(|_| KvError::Unavailable("a stored key is damaged".to_owned()))
        };
        keys.into_iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::kv::tests::check;

    #[tokio::test]
    async fn scopes_do_not_see_each_other() {
        let database = SqliteDatabase::memory().await.unwrap();
        let store = SqliteKeyValueStore::open(database, "main").await.unwrap();
        check(Arc::new(store)).await;
    }

    #[tokio::test]
    async fn stores_of_one_file_are_apart_and_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let open = async |name| {
            let database = SqliteDatabase::open(&path).await.unwrap();
            SqliteKeyValueStore::open(database, name).await.unwrap()
        };
        let value = json!({"ratio": 0.1, "text": "\0é"});
        open("one").await.set("k", value.clone()).await.unwrap();
        assert_eq!(open("one").await.get("k").await.unwrap(), Some(value));
        assert_eq!(open("two").await.get("k").await.unwrap(), None);
        assert!(open("two").await.list("").await.unwrap().is_empty());
    }
}
