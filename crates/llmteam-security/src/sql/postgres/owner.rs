//! The connection of who makes roles and tables.
//!
//! Invariant: it serves no tenant; stores cannot be opened on it. Each change is one transaction under one lock.

use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;

use super::{migrate, roles};
use crate::sql::SqlError;

/// A connection as `llmteam_owner`, or as an administrator who may become it.
#[derive(Debug)]
pub struct PostgresOwner {
    connection: Mutex<PgConnection>,
}

impl PostgresOwner {
    /// Connects to the server at `url`, such as `postgres://llmteam_owner@db.example/llmteam`.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        let connection = PgConnection::connect_with(&super::database::options(url)?).await?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    /// Makes the roles of [`roles`] that are missing. Needs a superuser, or a role that may make roles and
    /// owns the schema `public`. Doing it again changes nothing.
    pub async fn create_roles(&self) -> Result<(), SqlError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = connection.begin().await?;
        migrate::lock(&mut transaction).await?;
        roles::create(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Brings the tables of `crate_name` to the last of `migrations`, pairs of version and SQL.
    /// All of it happens or nothing; a database that a newer program has migrated is refused.
    pub async fn migrate(
        &self,
        crate_name: &'static str,
        migrations: &[(&'static str, &'static str)],
    ) -> Result<(), SqlError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = connection.begin().await?;
        migrate::apply(&mut transaction, crate_name, migrations).await?;
        Ok(transaction.commit().await?)
    }
}
