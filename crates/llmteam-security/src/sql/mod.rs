//! The SQL databases that all stores of a process share, and how each crate's tables come to be.
//!
//! Invariant: the migrations a database has are a prefix of those the program holds, text for text. Files have
//! the same names for both engines. Apart from the key-value stores', this module knows no table.

mod error;
mod history;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use self::error::SqlError;
#[cfg(feature = "postgres")]
pub use self::postgres::{
    PostgresDatabase, PostgresKeyValueStore, PostgresOwner, PostgresTransaction, TenantTransaction,
    UnsafeDatabase,
};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{
    SqliteDatabase, SqliteKeyValueStore, SqliteReader, SqliteTransaction, SqliteWriter,
};
pub use crate::unit::{UnitOfWork, UnitSession};
