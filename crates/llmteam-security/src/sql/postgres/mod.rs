//! The shared server, for several workers.
//!
//! Invariant: stores reach the server only as a role that row-level security binds, and only inside a transaction
//! that names its tenant; no connection keeps a tenant from one transaction to the next. The owner's connection,
//! which makes tables and roles, is another type. This module does not know which tables there are.

mod check;
mod database;
#[cfg(test)]
mod isolation;
mod kv;
mod migrate;
mod owner;
pub mod roles;
pub mod testing;
#[cfg(test)]
mod tests;
mod transaction;

pub use self::{
    check::UnsafeDatabase,
    database::PostgresDatabase,
    kv::PostgresKeyValueStore,
    owner::PostgresOwner,
    transaction::{PostgresTransaction, TenantTransaction},
};
