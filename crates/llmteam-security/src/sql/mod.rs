//! The embedded SQL database that all stores of a process share, and how each crate's tables come to be.
//!
//! Invariant: all writing goes through one connection, so a transaction never loses to another of the same
//! process, and what is committed is on disk. This module knows no table but the lists of migrations.

mod error;
mod migrate;
mod pool;

pub use self::{
    error::SqlError,
    pool::{SqliteDatabase, SqliteReader, SqliteTransaction, SqliteWriter},
};
