//! Brings one crate's tables in SQLite to the version this program knows.
//!
//! Invariant: all missing migrations are applied, or none.

use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::sql::{error::SqlError, history};

/// Applies what is missing, inside the transaction the caller has begun.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    crate_name: &'static str,
    migrations: &[(&'static str, &'static str)],
) -> Result<(), SqlError> {
    let table = history::table(crate_name);
    // The table's name comes from the program's own text, never from data.
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {table} (position INTEGER PRIMARY KEY, version TEXT NOT NULL UNIQUE, digest TEXT NOT NULL) STRICT"
    );
    sqlx::raw_sql(AssertSqlSafe(create))
        .execute(&mut *connection)
        .await?;
    let select = format!("SELECT version, digest FROM {table} ORDER BY position");
    let rows = sqlx::query_as(AssertSqlSafe(select))
        .fetch_all(&mut *connection)
        .await?;
    let applied = history::applied(crate_name, &rows, migrations)?;

    let insert = format!("INSERT INTO {table} (position, version, digest) VALUES (?, ?, ?)");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::SqliteDatabase;

    const FIRST: (&str, &str) = ("0001", "CREATE TABLE a (x); CREATE TABLE b (x);");
    const SECOND: (&str, &str) = ("0002", "INSERT INTO a VALUES (1);");

    async fn count(database: &SqliteDatabase) -> i64 {
        let mut reader = database.reader().await.unwrap();
        sqlx::query_scalar("SELECT count(*) FROM a")
            .fetch_one(&mut *reader)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn each_migration_is_applied_once_and_per_crate() {
        let database = SqliteDatabase::memory().await.unwrap();
        database.migrate("crate-one", &[FIRST]).await.unwrap();
        for _ in 0..2 {
            database
                .migrate("crate-one", &[FIRST, SECOND])
                .await
                .unwrap();
        }
        assert_eq!(count(&database).await, 1);
        database
            .migrate("crate-two", &[("0001", "INSERT INTO a VALUES (2)")])
            .await
            .unwrap();
        assert_eq!(count(&database).await, 2);
    }

    #[tokio::test]
    async fn a_newer_or_rewritten_history_is_refused_untouched() {
        let database = SqliteDatabase::memory().await.unwrap();
        database.migrate("c", &[FIRST, SECOND]).await.unwrap();
        let newer = database.migrate("c", &[FIRST]).await.unwrap_err();
        assert!(matches!(newer, SqlError::NewerSchema { version, .. } if version == "0002"));
        let renamed = database
            .migrate("c", &[FIRST, ("0003", SECOND.1)])
            .await
            .unwrap_err();
        assert!(matches!(renamed, SqlError::NewerSchema { version, .. } if version == "0002"));
        let changed = database
            .migrate("c", &[FIRST, ("0002", "INSERT INTO a VALUES (9)")])
            .await
            .unwrap_err();
        assert!(matches!(changed, SqlError::ChangedMigration { version, .. } if version == "0002"));
        assert_eq!(count(&database).await, 1);
    }

    #[tokio::test]
    async fn a_migration_that_fails_leaves_nothing() {
        let database = SqliteDatabase::memory().await.unwrap();
        database.migrate("c", &[FIRST]).await.unwrap();
        let broken = (
            "0003",
            "INSERT INTO a VALUES (3); INSERT INTO nowhere VALUES (1);",
        );
        let error = database
            .migrate("c", &[FIRST, SECOND, broken])
            .await
            .unwrap_err();
        assert!(matches!(
            error,
            SqlError::Migration {
                version: "0003",
                ..
            }
        ));
        assert_eq!(count(&database).await, 0);
        database.migrate("c", &[FIRST, SECOND]).await.unwrap();
        assert_eq!(count(&database).await, 1);
    }
}
