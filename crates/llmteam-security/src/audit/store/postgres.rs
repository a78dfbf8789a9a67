//! Logs on a Postgres server.
//!
//! Invariant: row-level security shows a unit its tenant's rows alone; the service role may add and read records and
//! nothing else, and triggers refuse to change, remove or truncate them whoever asks. The head's row is the lock; before
//! there is one, an advisory lock of the tenant is.

use std::sync::Arc;

use super::{AuditStore, Change, Scan, foreign, sql::sql_store};
use crate::{
    audit::{
        entry::Entry, error::AuditError, event::AuditEvent, hash::Digest, head::ChainHead,
        keys::StoredKey, record::AuditId,
    },
    id::TenantId,
    sql::{PostgresDatabase, PostgresOwner, TenantTransaction},
    unit::{UnitOfWork, UnitSession},
};

/// The tables of the audit trail, for the owner to make.
const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_audit",
    include_str!("migrations/postgres_0001_audit.sql"),
)];
const CRATE: &str = "llmteam-security-audit";

mod statements {
    super::super::sql::statements!(
        sqlx::Postgres,
        sqlx::PgConnection,
        " FOR UPDATE",
        " FOR UPDATE SKIP LOCKED",
        "SELECT audit_prune($1, $2)"
    );
}

/// Logs in a Postgres database. Clones share it.
#[derive(Clone, Debug)]
pub struct PostgresAuditStore {
    database: PostgresDatabase,
    deployment: Arc<str>,
}

impl PostgresAuditStore {
    /// Makes the tables, as the owner.
    pub async fn migrate(owner: &PostgresOwner) -> Result<(), AuditError> {
        Ok(owner.migrate(CRATE, MIGRATIONS).await?)
    }

    /// The logs of `database`; refused when their tables are not there.
    pub async fn open(database: PostgresDatabase) -> Result<Self, AuditError> {
        database.require(CRATE, MIGRATIONS).await?;
        let mut transaction = database.begin().await?;
        let name: String = sqlx::query_scalar("SELECT name FROM audit_deployment")
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Self {
            database,
            deployment: name.into(),
        })
    }

    async fn begin_session(&self, tenant: &TenantId) -> Result<UnitSession<'_>, AuditError> {
        Ok(UnitSession::postgres(tenant.clone(), &self.database))
    }

    async fn reader(&self, tenant: &TenantId) -> Result<TenantTransaction, AuditError> {
        Ok(self.database.tenant_transaction(tenant).await?)
    }

    /// Keeps two units from beginning the same log.
    async fn lock(&self, unit: &mut UnitOfWork<'_>, tenant: &TenantId) -> Result<(), AuditError> {
        sqlx::query(
            "SELECT pg_advisory_xact_lock(hashtextextended('llmteam/audit/' || $1, 0))
                     WHERE NOT EXISTS (SELECT FROM audit_head WHERE tenant_id = $1)",
        )
        .bind(tenant.as_str())
        .execute(mine(unit)?)
        .await?;
        Ok(())
    }
}

fn mine<'a>(unit: &'a mut UnitOfWork<'_>) -> Result<&'a mut sqlx::PgConnection, AuditError> {
    let error = foreign(unit);
    unit.postgres().ok_or(error)
}

sql_store!(PostgresAuditStore);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{AuditEventType, AuditTrail, retention, store::contract},
        clock::SystemClock,
        sql::postgres::testing::TestDatabase,
    };

    async fn opened() -> (TestDatabase, PostgresAuditStore) {
        let it = TestDatabase::new().await.unwrap();
        PostgresAuditStore::migrate(&it.owner().await.unwrap())
            .await
            .unwrap();
        let store = PostgresAuditStore::open(it.app().await.unwrap())
            .await
            .unwrap();
        (it, store)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres_keeps_the_contract() {
        let (_it, store) = opened().await;
        contract::check(Arc::new(store.clone())).await;
        retention::tests::check(Arc::new(store)).await;
    }

    // covers: AUD-16
    #[tokio::test]
    async fn records_cannot_be_changed_removed_or_truncated_even_by_an_administrator() {
        let (it, store) = opened().await;
        let trail = AuditTrail::new(
            Arc::new(store),
            contract::tenant("t"),
            Arc::new(SystemClock),
        );
        trail
            .log(AuditEvent::new(AuditEventType::DataCreated))
            .await
            .unwrap();
        for text in [
            "UPDATE audit_record SET body = ''",
            "DELETE FROM audit_record",
            "TRUNCATE audit_record",
            "TRUNCATE audit_head",
            "UPDATE audit_payload SET bytes = ''",
        ] {
            let error = it.execute(text).await.unwrap_err();
            assert!(error.to_string().contains("append-only"), "{error}");
        }
        let app = it.app().await.unwrap();
        for text in [
            "UPDATE audit_record SET seq = 9",
            "DELETE FROM audit_record",
            "TRUNCATE audit_record",
        ] {
            let mut transaction = app
                .tenant_transaction(&contract::tenant("t"))
                .await
                .unwrap();
            let error = sqlx::raw_sql(text)
                .execute(&mut *transaction)
                .await
                .unwrap_err();
            assert!(error.to_string().contains("permission denied"), "{error}");
        }
    }

    // covers: AUD-08
    #[tokio::test]
    async fn no_statement_of_one_tenant_sees_another() {
        let (it, store) = opened().await;
        let trail = AuditTrail::new(
            Arc::new(store),
            contract::tenant("a"),
            Arc::new(SystemClock),
        );
        trail
            .log(AuditEvent::new(AuditEventType::DataCreated))
            .await
            .unwrap();
        let app = it.app().await.unwrap();
        for (tenant, expected) in [("a", 2_i64), ("b", 0)] {
            let mut transaction = app
                .tenant_transaction(&contract::tenant(tenant))
                .await
                .unwrap();
            for table in ["audit_record", "audit_payload"] {
                let text = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
                let count: i64 = sqlx::query_scalar(text)
                    .fetch_one(&mut *transaction)
                    .await
                    .unwrap();
                assert_eq!(count, expected);
            }
        }
    }
}
