//! Logs in the embedded database.
//!
//! Invariant: a unit holds the file's write lock from its start, so the head needs no lock of its own; triggers refuse
//! to change a record, and to remove one that was not pruned.

use std::sync::Arc;

use super::{AuditStore, Change, Scan, foreign, sql::sql_store};
use crate::{
    audit::{
        entry::Entry, error::AuditError, event::AuditEvent, hash::Digest, head::ChainHead,
        keys::StoredKey, random, record::AuditId,
    },
    id::TenantId,
    sql::{SqliteDatabase, SqliteReader},
    unit::{UnitOfWork, UnitSession},
};

const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_audit",
    include_str!("migrations/sqlite_0001_audit.sql"),
)];

mod statements {
    super::super::sql::statements!(
        sqlx::Sqlite,
        sqlx::SqliteConnection,
        "",
        "",
        "DELETE FROM audit_record WHERE tenant_id = $1 AND seq < $2"
    );
}

/// Logs in a SQLite database. Clones share it.
#[derive(Clone, Debug)]
pub struct SqliteAuditStore {
    database: SqliteDatabase,
    deployment: Arc<str>,
}

impl SqliteAuditStore {
    /// The logs of `database`, whose tables are made if they are not there.
    pub async fn open(database: SqliteDatabase) -> Result<Self, AuditError> {
        database
            .migrate("llmteam-security-audit", MIGRATIONS)
            .await?;
        let name: [u8; 8] = random::bytes()?;
        let name = format!("local-{}", data_encoding::HEXLOWER.encode(&name));
        let mut writer = database.writer().await;
        let mut transaction = writer.begin().await?;
        sqlx::query(
            "INSERT INTO audit_deployment (one, name) VALUES (1, $1) ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .execute(&mut *transaction)
        .await?;
        let name: String = sqlx::query_scalar("SELECT name FROM audit_deployment")
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        drop(writer);
        Ok(Self {
            database,
            deployment: name.into(),
        })
    }

    async fn begin_session(&self, tenant: &TenantId) -> Result<UnitSession<'_>, AuditError> {
        Ok(UnitSession::sqlite(
            tenant.clone(),
            self.database.writer().await,
        ))
    }

    async fn reader(&self, _tenant: &TenantId) -> Result<SqliteReader<'_>, AuditError> {
        Ok(self.database.reader().await?)
    }

    async fn lock(&self, _unit: &mut UnitOfWork<'_>, _tenant: &TenantId) -> Result<(), AuditError> {
        // The unit holds the write lock of the whole file.
        Ok(())
    }
}

fn mine<'a>(unit: &'a mut UnitOfWork<'_>) -> Result<&'a mut sqlx::SqliteConnection, AuditError> {
    let error = foreign(unit);
    unit.sqlite().ok_or(error)
}

sql_store!(SqliteAuditStore);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{AuditEventType, AuditTrail, retention, store::contract, verify::VerifyOptions},
        clock::SystemClock,
    };

    async fn open(path: &std::path::Path) -> SqliteAuditStore {
        let database = SqliteDatabase::open(path).await.unwrap();
        SqliteAuditStore::open(database).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        contract::check(Arc::new(open(&folder.path().join("a.db")).await)).await;
        retention::tests::check(Arc::new(open(&folder.path().join("b.db")).await)).await;
    }

    // covers: AUD-03, AUD-05
    #[tokio::test(flavor = "multi_thread")]
    async fn several_handles_of_one_file_make_one_chain_that_outlives_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writing: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move {
                    let store = Arc::new(open(&path).await);
                    let trail =
                        AuditTrail::new(store, contract::tenant("t"), Arc::new(SystemClock));
                    for _ in 0..25 {
                        trail
                            .log(AuditEvent::new(AuditEventType::DataCreated))
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        for writer in writing {
            writer.await.unwrap();
        }
        let trail = AuditTrail::new(
            Arc::new(open(&path).await),
            contract::tenant("t"),
            Arc::new(SystemClock),
        );
        let whole = trail.verify(VerifyOptions::default()).await.unwrap();
        assert!(whole.is_valid() && whole.size == 101, "{whole:?}");
        assert!(whole.origin.starts_with("local-"));
    }

    // covers: AUD-16
    #[tokio::test]
    async fn records_cannot_be_changed_or_removed() {
        let store = SqliteAuditStore::open(SqliteDatabase::memory().await.unwrap())
            .await
            .unwrap();
        let trail = AuditTrail::new(
            Arc::new(store.clone()),
            contract::tenant("t"),
            Arc::new(SystemClock),
        );
        trail
            .log(AuditEvent::new(AuditEventType::DataCreated))
            .await
            .unwrap();
        let mut writer = store.database.writer().await;
        for text in [
            "UPDATE audit_record SET body = x'00'",
            "DELETE FROM audit_record",
            "DELETE FROM audit_record WHERE seq = 1",
            "UPDATE audit_payload SET bytes = x'00'",
        ] {
            let error = sqlx::query(text).execute(&mut *writer).await.unwrap_err();
            assert!(error.to_string().contains("audit"), "{error}");
        }
    }

    // covers: AUD-32
    #[tokio::test]
    async fn a_state_change_and_its_record_are_one() {
        let store = SqliteAuditStore::open(SqliteDatabase::memory().await.unwrap())
            .await
            .unwrap();
        {
            let mut writer = store.database.writer().await;
            sqlx::raw_sql("CREATE TABLE state (n INTEGER)")
                .execute(&mut *writer)
                .await
                .unwrap();
        }
        let trail = AuditTrail::new(
            Arc::new(store.clone()),
            contract::tenant("t"),
            Arc::new(SystemClock),
        );
        for (commits, audits) in [(false, true), (true, true), (true, false)] {
            let mut session = trail.session().await.unwrap();
            let mut unit = session.begin().await.unwrap();
            sqlx::query("INSERT INTO state VALUES (1)")
                .execute(unit.sqlite().unwrap())
                .await
                .unwrap();
            // The log's own events are nobody else's to record, so this unit cannot be audited.
            let kind = if audits {
                AuditEventType::ConfigChanged
            } else {
                AuditEventType::LogGenesis
            };
            unit.audit(AuditEvent::new(kind));
            if commits {
                assert_eq!(unit.commit().await.is_ok(), audits);
            }
        }
        let mut reader = store.database.reader().await.unwrap();
        let states: i64 = sqlx::query_scalar("SELECT count(*) FROM state")
            .fetch_one(&mut *reader)
            .await
            .unwrap();
        drop(reader);
        assert_eq!(
            (
                states,
                trail.store.get_last_sequence(trail.tenant()).await.unwrap()
            ),
            (1, 1)
        );
    }
}
