//! What can go wrong with the database, and what to do about it.

use std::path::PathBuf;

use crate::kv::KvError;

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The text does not name a database.
    #[error(
        "`{0}` is not a database address; write `sqlite:FILE`, `sqlite::memory:` or `postgres://USER@HOST/DATABASE`"
    )]
    Address(String),
    /// The file cannot be created or read, or is not a database.
    #[error("database `{path}` cannot be opened: {reason}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file was written by a newer program.
    #[error(
        "the tables of `{crate_name}` are at version `{version}`, which this program does not know; use a newer one"
    )]
    NewerSchema {
        /// Whose tables.
        crate_name: &'static str,
        /// The first version that is not known.
        version: String,
    },
    /// A migration that was applied differs from the one this program holds.
    #[error("migration `{version}` of `{crate_name}` is not the one that was applied")]
    ChangedMigration {
        /// Whose tables.
        crate_name: &'static str,
        /// The version.
        version: String,
    },
    /// A migration did not run; nothing of it was kept.
    #[error("migration `{version}` of `{crate_name}` failed: {source}")]
    Migration {
        /// Whose tables.
        crate_name: &'static str,
        /// The version.
        version: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The tables a program needs are not there yet, and the role it has may not make them.
    #[error(
        "the tables of `{crate_name}` lack migration `{version}`; let the owner migrate the database first"
    )]
    MissingMigration {
        /// Whose tables.
        crate_name: &'static str,
        /// The first version that is missing.
        version: &'static str,
    },
    /// The server, the role or a table would not keep tenants apart.
    #[cfg(feature = "postgres")]
    #[error("the database does not keep tenants apart: {0}")]
    Unsafe(#[from] super::postgres::UnsafeDatabase),
    /// A statement failed.
    #[error("the database failed: {0}")]
    Failed(#[from] sqlx::Error),
}

impl SqlError {
    /// Whether a row was refused because another has the same key.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Failed(error) if is_unique_violation(error))
    }
}

/// Whether a row was refused because another has the same key.
pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

impl From<SqlError> for KvError {
    fn from(error: SqlError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<sqlx::Error> for KvError {
    fn from(error: sqlx::Error) -> Self {
        SqlError::from(error).into()
    }
}
