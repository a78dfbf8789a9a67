//! The embedded database.
//!
//! Invariant: all writing goes through one connection, so a transaction never loses to another of the same
//! process, and what is committed is on disk.

mod kv;
mod migrate;
mod pool;

pub use self::{
    kv::SqliteKeyValueStore,
    pool::{SqliteDatabase, SqliteReader, SqliteTransaction, SqliteWriter},
};
