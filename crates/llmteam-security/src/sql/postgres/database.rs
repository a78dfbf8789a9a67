//! The handle by which stores reach the server.
//!
//! Invariant: it exists only for a role and tables that passed the check of [`super::check`], and it gives out
//! transactions, never connections.

use std::{fmt, net::IpAddr, str::FromStr};

use sqlx::{
    ConnectOptions, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use super::{
    check, migrate,
    transaction::{self, PostgresTransaction, TenantTransaction},
};
use crate::{id::TenantId, sql::SqlError};

/// How many connections a process has at most, unless it says otherwise.
const CONNECTIONS: u32 = 10;

/// The database of a process on a Postgres server. Clones are handles to the same connections.
#[derive(Clone)]
pub struct PostgresDatabase {
    pool: PgPool,
}

impl PostgresDatabase {
    /// Connects to the server at `url` as a service role, such as `postgres://llmteam_app@db.example/llmteam`,
    /// and refuses a server, role or table that would not keep tenants apart.
    pub async fn connect(url: &str) -> Result<Self, SqlError> {
        Self::connect_with(url, CONNECTIONS).await
    }

    /// As [`Self::connect`], with at most `connections` connections at once.
    pub async fn connect_with(url: &str, connections: u32) -> Result<Self, SqlError> {
        let database = Self::unchecked(url, connections).await?;
        database.check().await?;
        Ok(database)
    }

    /// Connects without the check: for tests that show what the check is for.
    pub(super) async fn unchecked(url: &str, connections: u32) -> Result<Self, SqlError> {
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .connect_with(options(url)?)
            .await?;
        Ok(Self { pool })
    }

    /// Checks server, role and tables again, as after a migration; the first reason to refuse is the error.
    pub async fn check(&self) -> Result<(), SqlError> {
        let mut connection = self.pool.acquire().await?;
        check::check(&mut connection).await
    }

    /// Refuses a database to which `migrations` of `crate_name` have not been applied, or others have.
    pub async fn require(
        &self,
        crate_name: &'static str,
        migrations: &[(&'static str, &'static str)],
    ) -> Result<(), SqlError> {
        let mut connection = self.pool.acquire().await?;
        migrate::require(&mut connection, crate_name, migrations).await
    }

    /// Begins a transaction in which row-level security shows the rows of `tenant` alone.
    pub async fn tenant_transaction(
        &self,
        tenant: &TenantId,
    ) -> Result<TenantTransaction, SqlError> {
        TenantTransaction::begin(self.pool.begin().await?, tenant).await
    }

    /// Begins a transaction without a tenant: row-level security shows no tenant's rows.
    pub async fn begin(&self) -> Result<PostgresTransaction, SqlError> {
        let mut transaction = self.pool.begin().await?;
        transaction::set_tenant(&mut transaction, "").await?;
        Ok(transaction)
    }

    /// Begins a transaction that may read what the policies named `platform` show of all tenants. Only stores of this
    /// crate begin one, each where its caller has shown the right to.
    pub(crate) async fn platform_transaction(&self) -> Result<PostgresTransaction, SqlError> {
        let mut transaction = self.begin().await?;
        sqlx::query("SELECT set_config('llmteam.platform', 'on', true)")
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }

    /// A transaction that sets nothing, to look at what the last one left.
    #[cfg(test)]
    pub(super) async fn begin_bare(&self) -> Result<PostgresTransaction, SqlError> {
        Ok(self.pool.begin().await?)
    }

    /// Closes all connections, as soon as their transactions have ended.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Options hold the password, so only names are shown.
        let options = self.pool.connect_options();
        f.debug_struct("PostgresDatabase")
            .field("host", &options.get_host())
            .field("database", &options.get_database())
            .field("role", &options.get_username())
            .finish_non_exhaustive()
    }
}

/// The options that `url` names. Statements are not logged, since they may hold data of tenants. Another machine is
/// reached encrypted or not at all, unless the address says `sslmode=disable`.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, SqlError> {
    // An address may hold a password; what is no address is not repeated.
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(SqlError::Address("***".to_owned()));
    }
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| SqlError::Address("postgres://***".to_owned()))?;
    let optional = matches!(options.get_ssl_mode(), PgSslMode::Allow | PgSslMode::Prefer);
    // Inside a machine encryption without a checked certificate keeps nobody out.
    let options = match (optional, is_local(&options)) {
        (true, true) => options.ssl_mode(PgSslMode::Disable),
        (true, false) => options.ssl_mode(PgSslMode::Require),
        (false, _) => options,
    };
    Ok(options
        .application_name("llmteam")
        .disable_statement_logging())
}

/// Whether the server is on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    let loopback = host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
    loopback || host == "localhost" || host.starts_with('/') || options.get_socket().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_reached_encrypted_unless_the_address_says_otherwise() {
        // covers: TEN-66
        for (address, expected) in [
            ("postgres://u@db.example/d", "Require"),
            ("postgres://u@db.example/d?sslmode=prefer", "Require"),
            ("postgres://u@10.0.0.7:5432/d?sslmode=allow", "Require"),
            ("postgres://u@localhost.example/d", "Require"),
            ("postgres://u@db.example/d?sslmode=disable", "Disable"),
            (
                "postgresql://u@db.example/d?sslmode=verify-full",
                "VerifyFull",
            ),
            ("postgres://u@127.0.0.1/d", "Disable"),
            ("postgres://u@127.0.0.1/d?sslmode=require", "Require"),
            ("postgres://u@[::1]/d", "Disable"),
            ("postgres://u@localhost/d", "Disable"),
            ("postgres:///d?host=/run/postgresql&user=u", "Disable"),
        ] {
            let mode = options(address).unwrap().get_ssl_mode();
            assert_eq!(format!("{mode:?}"), expected, "{address}");
        }
    }
}
