//! A transaction that carries its tenant.
//!
//! Invariant: the tenant is set for the transaction alone and is gone from the connection when it ends, by commit,
//! roll-back or drop.

use std::ops::{Deref, DerefMut};

use sqlx::{PgConnection, Postgres, Transaction};

use crate::{id::TenantId, sql::SqlError};

/// A transaction. What is not committed is rolled back when it is dropped.
pub type PostgresTransaction = Transaction<'static, Postgres>;

/// A transaction for one tenant. What is not committed is rolled back when it is dropped.
///
/// It guards against a forgotten filter, not against SQL made from data: a statement can change the setting.
pub struct TenantTransaction {
    transaction: PostgresTransaction,
    tenant: TenantId,
}

impl TenantTransaction {
    pub(super) async fn begin(
        mut transaction: PostgresTransaction,
        tenant: &TenantId,
    ) -> Result<Self, SqlError> {
        set_tenant(&mut transaction, tenant.as_str()).await?;
        Ok(Self {
            transaction,
            tenant: tenant.clone(),
        })
    }

    /// Whose rows it shows.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Makes what was done last.
    pub async fn commit(self) -> Result<(), SqlError> {
        Ok(self.transaction.commit().await?)
    }

    /// Undoes what was done.
    pub async fn rollback(self) -> Result<(), SqlError> {
        Ok(self.transaction.rollback().await?)
    }
}

/// Sets the tenant until the transaction ends; the empty text is none.
pub(super) async fn set_tenant(
    transaction: &mut PgConnection,
    tenant: &str,
) -> Result<(), SqlError> {
    sqlx::query("SELECT set_config('llmteam.tenant_id', $1, true)")
        .bind(tenant)
        .execute(transaction)
        .await?;
    Ok(())
}

impl Deref for TenantTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for TenantTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

impl std::fmt::Debug for TenantTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantTransaction")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
