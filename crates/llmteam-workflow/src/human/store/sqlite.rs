//! Requests in the embedded database, shared by all processes that open the file.
//!
//! Invariant: `body` holds a row's value whole; the other columns repeat what keys and queries need from it,
//! and are written with it in one statement. Every change is one transaction.

use async_trait::async_trait;
use llmteam_security::{
    audit::AuditTrails,
    clock::Timestamp,
    id::{PrincipalId, RequestId, RunId, TenantId},
    sql::{SqliteDatabase, UnitSession},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Change, Changes, DueTimer, InteractionFilter, InteractionMessage, InteractionStore};
use crate::human::{
    audit,
    error::HumanError,
    outcome::{Happened, HumanEvent},
    request::InteractionRequest,
    response::InteractionResponse,
};

const MIGRATIONS: &[(&str, &str)] = &[(
    "0001_interactions",
    include_str!("migrations/0001_interactions.sql"),
)];

/// A store in a SQLite database.
#[derive(Debug)]
pub struct SqliteInteractionStore {
    database: SqliteDatabase,
    changes: Changes,
    trails: Option<AuditTrails>,
}

impl SqliteInteractionStore {
    /// The store in `database`, whose tables are made if they are not there.
    pub async fn open(database: SqliteDatabase) -> Result<Self, HumanError> {
        database
            .migrate("llmteam-workflow-human", MIGRATIONS)
            .await?;
        Ok(Self {
            database,
            changes: Changes::default(),
            trails: None,
        })
    }

    /// The same, with the audit logs of the same database: a change and its record are one commit.
    pub async fn open_audited(
        database: SqliteDatabase,
        trails: AuditTrails,
    ) -> Result<Self, HumanError> {
        Ok(Self {
            trails: Some(trails),
            ..Self::open(database).await?
        })
    }
}

/// Adds the timers of an open request that are not there yet.
async fn add_timers(
    connection: &mut SqliteConnection,
    request: &InteractionRequest,
) -> Result<(), HumanError> {
    for (kind, level, at) in request.timers() {
        sqlx::query(
            "INSERT INTO interaction_timers (tenant_id, request_id, kind, level, due_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(request.tenant.as_str())
        .bind(request.request_id.as_str())
        .bind(kind.as_str())
        .bind(level)
        .bind(at.as_micros())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

#[async_trait]
impl InteractionStore for SqliteInteractionStore {
    async fn create(&self, request: InteractionRequest) -> Result<InteractionRequest, HumanError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let existing = sqlx::query(
            "SELECT body FROM interaction_requests WHERE tenant_id = ? AND dedup_key = ?",
        )
        .bind(request.tenant.as_str())
        .bind(&request.dedup_key)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(row) = existing {
            return body(&row);
        }
        sqlx::query(
            "INSERT INTO interaction_requests
               (tenant_id, request_id, dedup_key, run_id, open, version, closed_at, body)
             VALUES (?, ?, ?, ?, 1, ?, NULL, ?)",
        )
        .bind(request.tenant.as_str())
        .bind(request.request_id.as_str())
        .bind(&request.dedup_key)
        .bind(request.run.as_str())
        .bind(integer(request.version))
        .bind(text(&request)?)
        .execute(&mut *transaction)
        .await?;
        add_timers(&mut transaction, &request).await?;
        transaction.commit().await?;
        drop(writer);
        self.changes.announce(&request.tenant, &request.run);
        Ok(request)
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Option<InteractionRequest>, HumanError> {
        let mut reader = self.database.reader().await?;
        let row = sqlx::query(
            "SELECT body FROM interaction_requests WHERE tenant_id = ? AND request_id = ?",
        )
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut *reader)
        .await?;
        row.as_ref().map(body).transpose()
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &InteractionFilter,
    ) -> Result<Vec<InteractionRequest>, HumanError> {
        let mut reader = self.database.reader().await?;
        let rows = sqlx::query(if filter.open {
            "SELECT body FROM interaction_requests WHERE tenant_id = ?1 AND open = 1 AND (?2 IS NULL OR run_id = ?2)"
        } else {
            "SELECT body FROM interaction_requests WHERE tenant_id = ?1 AND (?2 IS NULL OR run_id = ?2)"
        })
        .bind(tenant.as_str())
        .bind(filter.run.as_ref().map(RunId::as_str))
        .fetch_all(&mut *reader)
        .await?;
        let requests: Vec<InteractionRequest> = rows.iter().map(body).collect::<Result<_, _>>()?;
        Ok(filter.select(requests))
    }

    async fn update(&self, change: Change) -> Result<bool, HumanError> {
        let trail = self.trails.as_ref().map(|it| it.of(&change.request.tenant));
        let event = trail.as_ref().and_then(|_| audit::of_change(&change));
        let Change {
            request,
            response,
            happened,
            fired,
            acted: _,
        } = change;
        let (tenant, id) = (request.tenant.as_str(), request.request_id.as_str());
        let at = request.updated_at.unwrap_or(request.created_at).as_micros();
        let mut session = match &trail {
            Some(trail) => trail.session().await?,
            None => UnitSession::sqlite(request.tenant.clone(), self.database.writer().await),
        };
        let mut unit = session.begin().await?;
        let elsewhere = || HumanError::Unavailable("the audit logs are in another database".into());
        let transaction = unit.sqlite().ok_or_else(elsewhere)?;

        let replaced = sqlx::query(
            "UPDATE interaction_requests SET open = ?, version = ?, closed_at = ?, body = ?
             WHERE tenant_id = ? AND request_id = ? AND version = ?",
        )
        .bind(request.is_open())
        .bind(integer(request.version))
        .bind(request.closed_at.map(Timestamp::as_micros))
        .bind(text(&request)?)
        .bind(tenant)
        .bind(id)
        .bind(integer(request.version) - 1)
        .execute(&mut *transaction)
        .await?;
        if replaced.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some((kind, level)) = fired {
            let marked = sqlx::query(
                "UPDATE interaction_timers SET fired_at = ?
                 WHERE tenant_id = ? AND request_id = ? AND kind = ? AND level = ? AND fired_at IS NULL",
            )
            .bind(at)
            .bind(tenant)
            .bind(id)
            .bind(kind.as_str())
            .bind(level)
            .execute(&mut *transaction)
            .await?;
            if marked.rows_affected() == 0 {
                return Ok(false);
            }
        }
        if request.is_open() {
            add_timers(transaction, &request).await?;
        } else {
            sqlx::query("DELETE FROM interaction_timers WHERE tenant_id = ? AND request_id = ? AND fired_at IS NULL")
                .bind(tenant)
                .bind(id)
                .execute(&mut *transaction)
                .await?;
        }
        if let Some(response) = response {
            sqlx::query("INSERT INTO interaction_responses (tenant_id, request_id, response_id, body) VALUES (?, ?, ?, ?)")
                .bind(tenant)
                .bind(id)
                .bind(&response.response_id)
                .bind(text(&response)?)
                .execute(&mut *transaction)
                .await?;
        }
        if let Some(happened) = happened {
            let (cause, reference) = match &happened {
                Happened::Escalated { level, .. } => ("timer", format!("{id}:{level}")),
                _ => ("interaction", id.to_owned()),
            };
            sqlx::query(
                "INSERT INTO run_wakeups (tenant_id, run_id, cause, ref_id, request_id, created_at, body)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(tenant)
            .bind(request.run.as_str())
            .bind(cause)
            .bind(reference)
            .bind(id)
            .bind(at)
            .bind(text(&happened)?)
            .execute(&mut *transaction)
            .await?;
        }
        if let Some(event) = event {
            unit.audit(event);
        }
        unit.commit().await?;
        drop(session);
        self.changes.announce(&request.tenant, &request.run);
        Ok(true)
    }

    async fn response(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Option<InteractionResponse>, HumanError> {
        let mut reader = self.database.reader().await?;
        let row = sqlx::query(
            "SELECT body FROM interaction_responses WHERE tenant_id = ? AND request_id = ?",
        )
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut *reader)
        .await?;
        row.as_ref().map(body).transpose()
    }

    async fn append_message(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        author: &PrincipalId,
        text: &str,
        now: Timestamp,
    ) -> Result<InteractionMessage, HumanError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        let run: Option<String> = sqlx::query_scalar(
            "SELECT run_id FROM interaction_requests WHERE tenant_id = ? AND request_id = ?",
        )
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
        let run: RunId = parsed(run.ok_or_else(|| HumanError::NotFound(id.clone()))?)?;
        let seq: i64 = sqlx::query_scalar(
            "INSERT INTO interaction_messages (tenant_id, request_id, seq, author_id, body, created_at)
             SELECT ?1, ?2, 1 + count(*), ?3, ?4, ?5 FROM interaction_messages WHERE tenant_id = ?1 AND request_id = ?2
             RETURNING seq",
        )
        .bind(tenant.as_str())
        .bind(id.as_str())
        .bind(author.as_str())
        .bind(text)
        .bind(now.as_micros())
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        drop(writer);
        self.changes.announce(tenant, &run);
        Ok(InteractionMessage {
            seq: natural(seq),
            author_id: author.clone(),
            body: text.to_owned(),
            created_at: now,
        })
    }

    async fn messages(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Vec<InteractionMessage>, HumanError> {
        let mut reader = self.database.reader().await?;
        let rows = sqlx::query(
            "SELECT seq, author_id, body, created_at FROM interaction_messages
             WHERE tenant_id = ? AND request_id = ? ORDER BY seq",
        )
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_all(&mut *reader)
        .await?;
        let message = |row: &SqliteRow| {
            Ok(InteractionMessage {
                seq: natural(row.try_get("seq")?),
                author_id: parsed(row.try_get("author_id")?)?,
                body: row.try_get("body")?,
                created_at: Timestamp::from_micros(row.try_get("created_at")?),
            })
        };
        rows.iter().map(message).collect()
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DueTimer>, HumanError> {
        let mut reader = self.database.reader().await?;
        let rows = sqlx::query(
            "SELECT timers.tenant_id, timers.request_id, json_quote(kind) AS kind, level
             FROM interaction_timers AS timers JOIN interaction_requests USING (tenant_id, request_id)
             WHERE fired_at IS NULL AND due_at <= ? ORDER BY due_at, seq, kind, level LIMIT ?",
        )
        .bind(now.as_micros())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *reader)
        .await?;
        let timer = |row: &SqliteRow| {
            Ok(DueTimer {
                tenant: parsed(row.try_get("tenant_id")?)?,
                request_id: parsed(row.try_get("request_id")?)?,
                kind: decoded(row.try_get("kind")?)?,
                level: row.try_get("level")?,
            })
        };
        rows.iter().map(timer).collect()
    }

    async fn next_due(
        &self,
        run: Option<(&TenantId, &RunId)>,
    ) -> Result<Option<Timestamp>, HumanError> {
        let mut reader = self.database.reader().await?;
        let query = match run {
            None => sqlx::query_scalar("SELECT min(due_at) FROM interaction_timers WHERE fired_at IS NULL"),
            Some((tenant, run)) => sqlx::query_scalar(
                "SELECT min(due_at) FROM interaction_timers JOIN interaction_requests USING (tenant_id, request_id)
                 WHERE fired_at IS NULL AND tenant_id = ? AND run_id = ?",
            )
            .bind(tenant.as_str())
            .bind(run.as_str()),
        };
        let at: Option<i64> = query.fetch_one(&mut *reader).await?;
        Ok(at.map(Timestamp::from_micros))
    }

    async fn events(&self, tenant: &TenantId, run: &RunId) -> Result<Vec<HumanEvent>, HumanError> {
        let mut reader = self.database.reader().await?;
        let rows = sqlx::query(
            "SELECT wakeup_id, wakeups.request_id, created_at, wakeups.body AS body,
                    requests.body AS request, responses.body AS response
             FROM run_wakeups AS wakeups
               LEFT JOIN interaction_requests AS requests USING (tenant_id, request_id)
               LEFT JOIN interaction_responses AS responses USING (tenant_id, request_id)
             WHERE wakeups.tenant_id = ? AND wakeups.run_id = ? AND consumed_at IS NULL ORDER BY wakeup_id",
        )
        .bind(tenant.as_str())
        .bind(run.as_str())
        .fetch_all(&mut *reader)
        .await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let answered = match (row.try_get("request")?, row.try_get("response")?) {
                (Some(request), Some(response)) => Some((decoded(request)?, decoded(response)?)),
                _ => None,
            };
            let happened: Happened = body(row)?;
            if let Some(outcome) = happened.outcome(parsed(row.try_get("request_id")?)?, answered) {
                let at = Timestamp::from_micros(row.try_get("created_at")?);
                events.push(HumanEvent {
                    id: natural(row.try_get("wakeup_id")?),
                    at,
                    outcome,
                });
            }
        }
        Ok(events)
    }

    async fn consume(
        &self,
        tenant: &TenantId,
        events: &[u64],
        now: Timestamp,
    ) -> Result<(), HumanError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        for id in events {
            sqlx::query("UPDATE run_wakeups SET consumed_at = ? WHERE tenant_id = ? AND wakeup_id = ? AND consumed_at IS NULL")
                .bind(now.as_micros())
                .bind(tenant.as_str())
                .bind(integer(*id))
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn purge(&self, tenant: &TenantId, before: Timestamp) -> Result<u64, HumanError> {
        let mut writer = self.database.writer().await;
        let mut transaction = writer.begin().await?;
        // What refers to a request goes with it.
        let purged = sqlx::query(
            "DELETE FROM interaction_requests AS requests WHERE tenant_id = ? AND closed_at < ? AND NOT EXISTS (
               SELECT 1 FROM run_wakeups AS wakeups
               WHERE wakeups.tenant_id = requests.tenant_id AND wakeups.request_id = requests.request_id
                 AND consumed_at IS NULL)",
        )
        .bind(tenant.as_str())
        .bind(before.as_micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(purged.rows_affected())
    }

    fn trails(&self) -> Option<&AuditTrails> {
        self.trails.as_ref()
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }

    fn is_shared(&self) -> bool {
        self.database.path().is_some()
    }
}

fn text(value: &impl Serialize) -> Result<String, HumanError> {
    serde_json::to_string(value).map_err(|error| HumanError::Unavailable(error.to_string()))
}

fn body<T: DeserializeOwned>(row: &SqliteRow) -> Result<T, HumanError> {
    decoded(row.try_get("body")?)
}

fn decoded<T: DeserializeOwned>(json: &str) -> Result<T, HumanError> {
    serde_json::from_str(json)
        .map_err(|error| HumanError::Unavailable(format!("a stored row is damaged: {error}")))
}

fn parsed<T: TryFrom<String, Error: std::fmt::Display>>(text: String) -> Result<T, HumanError> {
    text.try_into()
        .map_err(|error| HumanError::Unavailable(format!("a stored row is damaged: {error}")))
}

fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn natural(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llmteam_security::{clock::SystemClock, principal::Principal};

    use super::*;
    use crate::human::{
        Answer, HumanInteractionManager, InteractionType, NewInteraction, store::contract,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn contract_over_two_connections_to_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.db");
        let first = SqliteInteractionStore::open(SqliteDatabase::open(&path).await.unwrap())
            .await
            .unwrap();
        let second = SqliteInteractionStore::open(SqliteDatabase::open(&path).await.unwrap())
            .await
            .unwrap();
        contract::check(Arc::new(first), Arc::new(second)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn contract_in_memory() {
        let database = SqliteDatabase::memory().await.unwrap();
        let store = Arc::new(SqliteInteractionStore::open(database).await.unwrap());
        contract::check(store.clone(), store).await;
    }

    #[tokio::test]
    async fn an_answer_whose_wake_up_cannot_be_stored_is_not_stored() {
        // covers: workflow H-8, workflow X-9
        let database = SqliteDatabase::memory().await.unwrap();
        let store = Arc::new(
            SqliteInteractionStore::open(database.clone())
                .await
                .unwrap(),
        );
        let manager = HumanInteractionManager::new(store, Arc::new(SystemClock));
        let (tenant, run): (TenantId, RunId) = ("t".parse().unwrap(), "r".parse().unwrap());
        let (segment, step) = ("s".parse().unwrap(), "ask".parse().unwrap());
        let new = NewInteraction::new(
            tenant.clone(),
            run.clone(),
            segment,
            step,
            InteractionType::Approval,
        );
        let request = manager.request(new).await.unwrap();
        let sql = |sql: &'static str| {
            let database = database.clone();
            async move {
                let mut writer = database.writer().await;
                let mut transaction = writer.begin().await.unwrap();
                sqlx::raw_sql(sql).execute(&mut *transaction).await.unwrap();
                transaction.commit().await.unwrap();
            }
        };
        sql("CREATE TRIGGER full BEFORE INSERT ON run_wakeups BEGIN SELECT RAISE (ABORT, 'disk full'); END").await;
        let yes = || Answer {
            approved: Some(true),
            ..Answer::default()
        };
        let id = &request.request_id;
        let failed = manager
            .respond(&tenant, id, &Principal::local(), yes())
            .await;
        assert!(matches!(failed, Err(HumanError::Unavailable(_))));
        assert_eq!(manager.get(&tenant, id).await.unwrap(), request);
        sql("DROP TRIGGER full").await;
        manager
            .respond(&tenant, id, &Principal::local(), yes())
            .await
            .unwrap();
        assert_eq!(manager.poll(&tenant, &run).await.unwrap().len(), 1);
    }
}
