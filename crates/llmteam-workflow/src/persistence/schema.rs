//! The tables of this module in SQLite.

use llmteam_security::sql::{SqlError, SqliteDatabase};

const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_journal", include_str!("migrations/0001_journal.sql")),
    (
        "0002_snapshots",
        include_str!("migrations/0002_snapshots.sql"),
    ),
    (
        "0003_start_keys",
        include_str!("migrations/0003_start_keys.sql"),
    ),
];

/// Makes the tables that are not there.
pub(super) async fn migrate(database: &SqliteDatabase) -> Result<(), SqlError> {
    database
        .migrate("llmteam-workflow-persistence", MIGRATIONS)
        .await
}
