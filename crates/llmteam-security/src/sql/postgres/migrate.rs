//! Brings one crate's tables in Postgres to the version this program knows, as their owner.
//!
//! Invariant: all missing migrations are applied, or none; of several that migrate at once, one does it and the
//! others find it done. Tables belong to the role `llmteam_owner`, whoever connected.

use sqlx::{AssertSqlSafe, PgConnection};

use super::roles;
use crate::sql::{error::SqlError, history};

/// The advisory lock of everything that changes the schema, held until its transaction ends.
const LOCK: i64 = i64::from_be_bytes(*b"llmteam\0");

/// Waits until nobody else changes the schema of this database.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), SqlError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Applies what is missing, inside the transaction the caller has begun.
pub(super) async fn apply(
    connection: &mut PgConnection,
    crate_name: &'static str,
    migrations: &[(&'static str, &'static str)],
) -> Result<(), SqlError> {
    lock(connection).await?;
    let table = history::table(crate_name);
    // Names in these texts are the program's own, never data.
    let prepare = format!(
        "SET LOCAL ROLE {owner};
         CREATE TABLE IF NOT EXISTS {table} (position bigint PRIMARY KEY, version text NOT NULL UNIQUE, digest text NOT NULL);
         GRANT SELECT ON {table} TO {service}",
        owner = roles::OWNER,
        service = roles::SERVICE.join(", "),
    );
    sqlx::raw_sql(AssertSqlSafe(prepare))
        .execute(&mut *connection)
        .await?;
    let applied = history::applied(crate_name, &rows(connection, &table).await?, migrations)?;

    let insert = format!("INSERT INTO {table} (position, version, digest) VALUES ($1, $2, $3)");
    for (position, (version, sql)) in (1i64..).zip(migrations).skip(applied) {
        let failed = |source| SqlError::Migration {
            crate_name,
            version,
            source,
        };
        sqlx::raw_sql(*sql)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        let row = sqlx::query(AssertSqlSafe(insert.clone()))
            .bind(position)
            .bind(*version)
            .bind(history::digest(sql));
        row.execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}

/// Refuses a database that lacks one of `migrations`, or has others. Changes nothing.
pub(super) async fn require(
    connection: &mut PgConnection,
    crate_name: &'static str,
    migrations: &[(&'static str, &'static str)],
) -> Result<(), SqlError> {
    let table = history::table(crate_name);
    let known: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(&table)
        .fetch_one(&mut *connection)
        .await?;
    let applied = if known {
        history::applied(crate_name, &rows(connection, &table).await?, migrations)?
    } else {
        0
    };
    match migrations.get(applied) {
        Some((version, _)) => Err(SqlError::MissingMigration {
            crate_name,
            version,
        }),
        None => Ok(()),
    }
}

async fn rows(
    connection: &mut PgConnection,
    table: &str,
) -> Result<Vec<(String, String)>, SqlError> {
    let select = format!("SELECT version, digest FROM {table} ORDER BY position");
    Ok(sqlx::query_as(AssertSqlSafe(select))
        .fetch_all(&mut *connection)
        .await?)
}
