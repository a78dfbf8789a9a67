//! Refuses a database that would not keep tenants apart.
//!
//! Invariant: what passes is a server without the known leak, a role that row-level security binds and that cannot
//! become one it does not bind, and tables that all have it. A table has tenants where it has a column `tenant_id`.

use sqlx::PgConnection;

use super::roles;
use crate::sql::SqlError;

/// Why a database is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeDatabase {
    /// The server lacks the fix of CVE-2025-8713 (statistics show hidden rows).
    #[error(
        "server version {version} shows hidden rows through statistics (CVE-2025-8713); use 13.22, 14.19, 15.14, 16.10, 17.6 or later"
    )]
    ServerTooOld {
        /// The server's version as a number, 150013 for 15.13.
        version: i32,
    },
    /// The role, or one it may become, is a superuser.
    #[error("role `{role}` is or may become a superuser; connect as `llmteam_app`")]
    Superuser {
        /// The role that connected.
        role: String,
    },
    /// The role, or one it may become, bypasses row-level security.
    #[error(
        "role `{role}` bypasses row-level security, or may become one that does; connect as `llmteam_app`"
    )]
    BypassesRls {
        /// The role that connected.
        role: String,
    },
    /// The role may make roles, and so give itself another's rights.
    #[error("role `{role}` may make roles; connect as `llmteam_app`")]
    MakesRoles {
        /// The role that connected.
        role: String,
    },
    /// The role is the owner, who may switch row-level security off.
    #[error("role `{role}` owns the tables of tenants; connect as `llmteam_app`")]
    Owner {
        /// The role that connected.
        role: String,
    },
    /// The role may become the owner.
    #[error("role `{role}` is a member of owner `{owner}`; connect as `llmteam_app`")]
    MemberOfOwner {
        /// The role that connected.
        role: String,
        /// Who owns a table of tenants.
        owner: String,
    },
    /// Row-level security is not enabled.
    #[error("table `{table}` has tenants and no row-level security; enable it as the owner")]
    RlsDisabled {
        /// The table with its schema.
        table: String,
    },
    /// Row-level security does not bind the table's owner.
    #[error("table `{table}` does not force row-level security; force it as the owner")]
    RlsNotForced {
        /// The table with its schema.
        table: String,
    },
    /// No policy, or one that does not compare with the transaction's tenant.
    #[error(
        "table `{table}` has no policy, or one that does not name `llmteam.tenant_id` both ways; add it as the owner"
    )]
    PolicyMissing {
        /// The table with its schema.
        table: String,
    },
    /// A view that shows its owner's rows, or a copy of them.
    #[error("view `{view}` has tenants and does not obey row-level security; drop it")]
    View {
        /// The view with its schema.
        view: String,
    },
}

/// The first reason to refuse, if there is one.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), SqlError> {
    server(connection).await?;
    role(connection).await?;
    owner(connection).await?;
    relations(connection).await
}

async fn server(connection: &mut PgConnection) -> Result<(), SqlError> {
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(connection)
        .await?;
    if is_fixed(version) {
        Ok(())
    } else {
        Err(UnsafeDatabase::ServerTooOld { version }.into())
    }
}

/// Whether this version has the fix of CVE-2025-8713.
fn is_fixed(version: i32) -> bool {
    let (major, minor) = (version / 10_000, version % 10_000);
    let first = match major {
        13 => 22,
        14 => 19,
        15 => 14,
        16 => 10,
        17 => 6,
        _ => 0,
    };
    major >= 13 && minor >= first
}

/// Looks at every role that the connection may become with SET ROLE or by resetting its session's role.
async fn role(connection: &mut PgConnection) -> Result<(), SqlError> {
    let (role, superuser, bypasses, makes_roles): (String, bool, bool, bool) = sqlx::query_as(
        "SELECT current_user::text, bool_or(rolsuper), bool_or(rolbypassrls), bool_or(rolcreaterole)
         FROM pg_roles
         WHERE rolname = session_user OR pg_has_role(session_user, oid, 'MEMBER')",
    )
    .fetch_one(connection)
    .await?;
    if superuser {
        Err(UnsafeDatabase::Superuser { role }.into())
    } else if bypasses {
        Err(UnsafeDatabase::BypassesRls { role }.into())
    } else if makes_roles {
        Err(UnsafeDatabase::MakesRoles { role }.into())
    } else {
        Ok(())
    }
}

async fn owner(connection: &mut PgConnection) -> Result<(), SqlError> {
    let found: Option<(String, String)> = sqlx::query_as(
        "SELECT session_user::text, owner.rolname::text
         FROM pg_roles owner
         WHERE pg_has_role(session_user, owner.oid, 'MEMBER')
           AND (owner.rolname = $1 OR EXISTS (
             SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
             WHERE c.relowner = owner.oid AND c.relkind IN ('r', 'p') AND NOT a.attisdropped))
         ORDER BY owner.rolname <> session_user LIMIT 1",
    )
    .bind(roles::OWNER)
    .fetch_optional(connection)
    .await?;
    match found {
        None => Ok(()),
        Some((role, owner)) if role == owner => Err(UnsafeDatabase::Owner { role }.into()),
        Some((role, owner)) => Err(UnsafeDatabase::MemberOfOwner { role, owner }.into()),
    }
}

async fn relations(connection: &mut PgConnection) -> Result<(), SqlError> {
    let found: Option<(String, bool, bool, bool)> =
        sqlx::query_as(include_str!("unsafe_relation.sql"))
            .bind([roles::DISPATCH, roles::AUDIT_RO].map(str::to_owned))
            .fetch_optional(connection)
            .await?;
    let reason = match found {
        None => return Ok(()),
        Some((view, true, ..)) => UnsafeDatabase::View { view },
        Some((table, _, false, _)) => UnsafeDatabase::RlsDisabled { table },
        Some((table, _, _, false)) => UnsafeDatabase::RlsNotForced { table },
        Some((table, ..)) => UnsafeDatabase::PolicyMissing { table },
    };
    Err(reason.into())
}

#[cfg(test)]
mod tests {
    use super::is_fixed;

    #[test]
    fn versions_at_their_edges() {
        for good in [130_022, 140_019, 150_014, 160_010, 170_006, 180_000] {
            assert!(is_fixed(good), "{good}");
        }
        for bad in [90_624, 120_099, 130_021, 140_018, 150_013, 160_009, 170_005] {
            assert!(!is_fixed(bad), "{bad}");
        }
    }
}
