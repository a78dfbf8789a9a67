//! The embedded SQL database that all stores of a process share, and how each crate's tables come to be.
//!
//! Invariant: all writing goes through one connection, so a transaction never loses to another of the same
//! process, and what is committed is on disk. Apart from the key-value store's, this module knows no table.

mod error;
mod kv;
mod migrate;
mod pool;

pub use self::{
    error::SqlError,
    kv::SqliteKeyValueStore,
    pool::{SqliteDatabase, SqliteReader, SqliteTransaction, SqliteWriter},
};
