//! Whether what was applied to a database is what this program holds.
//!
//! Invariant: the applied migrations are a prefix of the list a program holds, text for text; otherwise the
//! program is older than the database, or somebody changed history, and it refuses to touch anything.
//! This module does not know an engine: see `migrate` of each.

use sha2::{Digest, Sha256};

use super::error::SqlError;

/// The table that lists the applied migrations of a crate, as a quoted SQL name.
pub(super) fn table(crate_name: &'static str) -> String {
    let name = crate_name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("\"migrations_{name}\"")
}

/// How many of `migrations` are in `applied`, pairs of version and digest in their order.
pub(super) fn applied(
    crate_name: &'static str,
    applied: &[(String, String)],
    migrations: &[(&'static str, &'static str)],
) -> Result<usize, SqlError> {
    let known = migrations.iter().map(Some).chain(std::iter::repeat(None));
    for ((version, found), known) in applied.iter().zip(known) {
        let version = version.clone();
        match known {
            Some((expected, sql)) if *expected == version => {
                if *found != digest(sql) {
                    return Err(SqlError::ChangedMigration {
                        crate_name,
                        version,
                    });
                }
            }
            _ => {
                return Err(SqlError::NewerSchema {
                    crate_name,
                    version,
                });
            }
        }
    }
    Ok(applied.len())
}

/// SHA-256 of a migration's text in lower-case hex.
pub(super) fn digest(sql: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(sql.as_bytes()))
}
