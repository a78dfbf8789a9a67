//! The roles that a server has for llmteam.
//!
//! Invariant: no role is a superuser, bypasses row-level security or makes roles, and only the owner owns anything.
//! Roles belong to the whole server, so making them waits for no lock and is done by several at once without harm.
//! Passwords are the administrator's affair: a role made here has none.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::sql::SqlError;

/// Owns schema and tables; used by migrations only.
pub const OWNER: &str = "llmteam_owner";
/// Serves tenants: bound by row-level security, owns nothing.
pub const APP: &str = "llmteam_app";
/// Finds due work: sees no payload.
pub const DISPATCH: &str = "llmteam_dispatch";
/// Reads the audit trail and nothing else.
pub const AUDIT_RO: &str = "llmteam_audit_ro";

/// The roles that serve, without the owner.
pub const SERVICE: [&str; 3] = [APP, DISPATCH, AUDIT_RO];

/// Makes the roles that are missing and gives them the schema `public`, inside the caller's transaction.
pub(super) async fn create(connection: &mut PgConnection) -> Result<(), SqlError> {
    let mut sql = String::new();
    for role in [OWNER].iter().chain(&SERVICE) {
        // Two who make the same role at once: one finds it made, by name or by the index of names.
        sql.push_str(&format!(
            "DO $$ BEGIN
               IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                 CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;
               END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
             END $$;\n"
        ));
    }
    sql.push_str(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         GRANT USAGE, CREATE ON SCHEMA public TO {OWNER};
         GRANT USAGE ON SCHEMA public TO {};",
        SERVICE.join(", ")
    ));
    // Every name in the text is one of the constants above.
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut *connection)
        .await?;
    Ok(())
}
