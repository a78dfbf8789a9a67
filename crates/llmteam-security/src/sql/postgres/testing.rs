//! A throw-away database for tests against a real server.
//!
//! Invariant: each test has a database of its own, dropped when the value is, also after a panic. Roles belong to the
//! server and stay. The server is `LLMTEAM_TEST_POSTGRES_URL`, an administrator's address.

use std::env;

use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

use super::{PostgresDatabase, PostgresOwner, database::options, roles};
use crate::sql::SqlError;

/// The server that is used when the environment names none.
const SERVER: &str = "postgres://postgres@127.0.0.1:5432/test";

/// An empty database with the roles of llmteam.
#[derive(Debug)]
pub struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Makes one.
    pub async fn new() -> Result<Self, SqlError> {
        let server = env::var("LLMTEAM_TEST_POSTGRES_URL").unwrap_or_else(|_| SERVER.to_owned());
        let name = format!("llmteam_test_{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect_with(&options(&server)?).await?;
        // The name is hex digits.
        sqlx::raw_sql(AssertSqlSafe(format!(
            "CREATE DATABASE {name} TEMPLATE template0"
        )))
        .execute(&mut connection)
        .await?;
        let database = Self { server, name };
        database.owner().await?.create_roles().await?;
        Ok(database)
    }

    /// As [`Self::new`], with the tables of `crate_name`.
    pub async fn migrated(
        crate_name: &'static str,
        migrations: &[(&'static str, &'static str)],
    ) -> Result<Self, SqlError> {
        let database = Self::new().await?;
        let owner = database.owner().await?;
        owner.migrate(crate_name, migrations).await?;
        Ok(database)
    }

    /// The connection of the administrator, who may become the owner.
    pub async fn owner(&self) -> Result<PostgresOwner, SqlError> {
        PostgresOwner::connect(&self.url(None)?).await
    }

    /// The handle of a service, checked.
    pub async fn app(&self) -> Result<PostgresDatabase, SqlError> {
        PostgresDatabase::connect(&self.url(Some(roles::APP))?).await
    }

    /// The handle of a service without the check, to show what the check is for.
    #[cfg(test)]
    pub(crate) async fn unchecked(&self, role: Option<&str>) -> Result<PostgresDatabase, SqlError> {
        PostgresDatabase::unchecked(&self.url(role)?, 4).await
    }

    /// The address of this database for `role`, or for the administrator.
    pub fn url(&self, role: Option<&str>) -> Result<String, SqlError> {
        let mut options = options(&self.server)?.database(&self.name);
        if let Some(role) = role {
            options = PgConnectOptions::new_without_pgpass()
                .host(options.get_host())
                .port(options.get_port())
                .database(&self.name)
                .username(role);
        }
        Ok(sqlx::ConnectOptions::to_url_lossy(&options).to_string())
    }

    /// Its name, of the server's databases.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `sql` as the administrator, past every policy.
    pub async fn execute(&self, sql: &str) -> Result<(), SqlError> {
        let mut connection = PgConnection::connect_with(&options(&self.url(None)?)?).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await?;
        Ok(())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let drop = async move {
            let mut connection = PgConnection::connect_with(&options(&server)?).await?;
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await?;
            Ok::<_, SqlError>(())
        };
        // The test's own runtime may be gone, or be the one that drops.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(|runtime| runtime.block_on(drop))
        });
        // What cannot be dropped is left on a test server; there is nobody to tell.
        let _ = dropping.join();
    }
}
