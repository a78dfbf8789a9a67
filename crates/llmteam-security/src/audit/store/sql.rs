//! The statements of the SQL stores, written once for both engines.
//!
//! Invariant: every statement names its tenant, and only constants and bound values reach SQL. What differs between the
//! engines is the lock of the head and of waiting events, and comes in as a constant.

/// Makes a module of functions over one engine's connection.
macro_rules! statements {
    ($database:ty, $connection:ty, $lock:literal, $skip:literal, $prune:literal) => {
        use std::borrow::Cow;

        use sqlx::{QueryBuilder, Row};

        use crate::{
            audit::{
                entry::Entry,
                error::AuditError,
                event::AuditEvent,
                hash::Digest,
                head::ChainHead,
                keys::StoredKey,
                payload::Payload,
                query::OrderBy,
                record::AuditId,
                store::{Change, Scan, continues},
                tree::Frontier,
            },
            id::TenantId,
        };

        /// Rows of one statement: each binds up to seven values, and an engine has a limit.
        const ROWS: usize = 2_000;

        const HEAD: &str = "SELECT origin, size, last_leaf, frontier, epoch, first_seq, pseudonyms FROM audit_head WHERE tenant_id = $1";
        const LOCKED_HEAD: &str = concat!(
            "SELECT origin, size, last_leaf, frontier, epoch, first_seq, pseudonyms FROM audit_head WHERE tenant_id = $1", $lock
        );

        fn damaged(what: &str) -> AuditError {
            AuditError::storage(format_args!("a stored {what} is damaged"))
        }

        fn unsigned(number: i64) -> Result<u64, AuditError> {
            u64::try_from(number).map_err(|_| damaged("number"))
        }

        fn signed(number: u64) -> i64 {
            i64::try_from(number).unwrap_or(i64::MAX)
        }

        pub(super) async fn head(
            connection: &mut $connection,
            tenant: &TenantId,
            lock: bool,
        ) -> Result<Option<ChainHead>, AuditError> {
            let text = if lock { LOCKED_HEAD } else { HEAD };
            let row = sqlx::query(text)
                .bind(tenant.as_str())
                .fetch_optional(&mut *connection)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let size = unsigned(row.try_get("size")?)?;
            let frontier: Vec<u8> = row.try_get("frontier")?;
            let last: Vec<u8> = row.try_get("last_leaf")?;
            let pseudonyms: Vec<u8> = row.try_get("pseudonyms")?;
            Ok(Some(ChainHead {
                origin: row.try_get::<String, _>("origin")?.into(),
                frontier: Frontier::from_bytes(size, &frontier).ok_or_else(|| damaged("head"))?,
                last: Digest::from_slice(&last).ok_or_else(|| damaged("head"))?,
                epoch: unsigned(row.try_get("epoch")?)?,
                first: unsigned(row.try_get("first_seq")?)?,
                pseudonyms: pseudonyms.try_into().map_err(|_| damaged("head"))?,
            }))
        }

        pub(super) async fn append(
            connection: &mut $connection,
            tenant: &TenantId,
            expected: Option<&ChainHead>,
            head: &ChainHead,
            batch: Vec<Entry>,
        ) -> Result<(), AuditError> {
            let stored = self::head(connection, tenant, true).await?;
            continues(tenant, stored.as_ref(), expected)?;
            let text = if expected.is_none() {
                "INSERT INTO audit_head (origin, size, last_leaf, frontier, epoch, first_seq, pseudonyms, fmt, tenant_id)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 'LTA1', $8)"
            } else {
                "UPDATE audit_head SET origin = $1, size = $2, last_leaf = $3, frontier = $4, epoch = $5, first_seq = $6, pseudonyms = $7
                 WHERE tenant_id = $8"
            };
            sqlx::query(text)
                .bind(head.origin())
                .bind(signed(head.size()))
                .bind(head.last.0.as_slice())
                .bind(head.frontier.to_bytes())
                .bind(signed(head.epoch))
                .bind(signed(head.first))
                .bind(head.pseudonyms.as_slice())
                .bind(tenant.as_str())
                .execute(&mut *connection)
                .await?;
            for piece in batch.chunks(ROWS) {
                insert(connection, tenant, piece).await?;
            }
            Ok(())
        }

        async fn insert(
            connection: &mut $connection,
            tenant: &TenantId,
            piece: &[Entry],
        ) -> Result<(), AuditError> {
            let mut records = QueryBuilder::<$database>::new(
                "INSERT INTO audit_record (tenant_id, seq, leaf, body, event_id, action, ts_us) ",
            );
            records.push_values(piece, |mut row, it| {
                row.push_bind(tenant.as_str())
                    .push_bind(signed(it.seq))
                    .push_bind(it.leaf.0.as_slice())
                    .push_bind(&*it.body)
                    .push_bind(it.event_id.0.as_slice())
                    .push_bind(&*it.action)
                    .push_bind(signed(it.ts_us));
            });
            records.build().execute(&mut *connection).await?;
            let with_payload: Vec<(u64, &Payload)> = piece
                .iter()
                .filter_map(|it| Some((it.seq, it.payload.as_ref()?)))
                .collect();
            if with_payload.is_empty() {
                return Ok(());
            }
            let mut payloads = QueryBuilder::<$database>::new(
                "INSERT INTO audit_payload (tenant_id, seq, dek_id, salt, bytes) ",
            );
            payloads.push_values(with_payload, |mut row, (seq, payload)| {
                row.push_bind(tenant.as_str()).push_bind(signed(seq));
                match payload {
                    Payload::Blinded { blind, .. } => {
                        row.push_bind(None::<&str>).push_bind(blind.as_slice())
                    }
                    Payload::Sealed { dek_id, nonce, .. } => {
                        row.push_bind(Some(&**dek_id)).push_bind(nonce.as_slice())
                    }
                };
                row.push_bind(payload.stored());
            });
            payloads.build().execute(&mut *connection).await?;
            Ok(())
        }

        pub(super) async fn change(
            connection: &mut $connection,
            tenant: &TenantId,
            change: Change,
        ) -> Result<(), AuditError> {
            let tenant = tenant.as_str();
            match change {
                Change::PutKeys(keys) => {
                    for key in keys {
                        sqlx::query(
                            "INSERT INTO audit_subject_key (tenant_id, dek_id, subject, kek_id, wrapped) VALUES ($1, $2, $3, $4, $5)
                             ON CONFLICT (tenant_id, dek_id) DO UPDATE SET kek_id = excluded.kek_id, wrapped = excluded.wrapped",
                        )
                        .bind(tenant).bind(key.dek_id).bind(key.subject).bind(key.kek_id).bind(key.wrapped)
                        .execute(&mut *connection)
                        .await?;
                    }
                }
                Change::EraseKeys(ids) => {
                    for id in ids {
                        sqlx::query("DELETE FROM audit_subject_key WHERE tenant_id = $1 AND dek_id = $2")
                            .bind(tenant).bind(id)
                            .execute(&mut *connection)
                            .await?;
                    }
                }
                Change::ErasePayloads(numbers) => {
                    for number in numbers {
                        sqlx::query("DELETE FROM audit_payload WHERE tenant_id = $1 AND seq = $2")
                            .bind(tenant).bind(signed(number))
                            .execute(&mut *connection)
                            .await?;
                    }
                }
                Change::Prune(below) => {
                    // The order matters: a body may go only after its hash is kept and the head says so.
                    for text in [
                        "INSERT INTO audit_leaf (tenant_id, seq, leaf) SELECT tenant_id, seq, leaf FROM audit_record WHERE tenant_id = $1 AND seq < $2",
                        "UPDATE audit_head SET first_seq = $2 WHERE tenant_id = $1",
                        "DELETE FROM audit_payload WHERE tenant_id = $1 AND seq < $2",
                        $prune,
                    ] {
                        sqlx::query(text).bind(tenant).bind(signed(below)).execute(&mut *connection).await?;
                    }
                }
            }
            Ok(())
        }

        pub(super) async fn recorded(
            connection: &mut $connection,
            tenant: &TenantId,
            ids: &[AuditId],
        ) -> Result<Vec<Entry>, AuditError> {
            let mut found = Vec::new();
            for piece in ids.chunks(ROWS) {
                let mut query = QueryBuilder::<$database>::new(
                    "SELECT r.seq, r.leaf, r.body, r.event_id, r.action, r.ts_us, p.dek_id, p.salt, p.bytes
                     FROM audit_record r LEFT JOIN audit_payload p ON p.tenant_id = r.tenant_id AND p.seq = r.seq
                     WHERE r.tenant_id = ",
                );
                query.push_bind(tenant.as_str()).push(" AND r.event_id IN (");
                let mut list = query.separated(", ");
                for id in piece {
                    list.push_bind(id.0.as_slice());
                }
                query.push(")");
                for row in query.build().fetch_all(&mut *connection).await? {
                    found.push(entry(&row)?);
                }
            }
            Ok(found)
        }

        fn entry(row: &<$database as sqlx::Database>::Row) -> Result<Entry, AuditError> {
            let leaf: Vec<u8> = row.try_get("leaf")?;
            let event_id: Vec<u8> = row.try_get("event_id")?;
            Ok(Entry {
                seq: unsigned(row.try_get("seq")?)?,
                leaf: Digest::from_slice(&leaf).ok_or_else(|| damaged("hash"))?,
                body: row.try_get::<Vec<u8>, _>("body")?.into(),
                payload: payload(row)?,
                event_id: AuditId(event_id.try_into().map_err(|_| damaged("event id"))?),
                action: Cow::Owned(row.try_get("action")?),
                ts_us: unsigned(row.try_get("ts_us")?)?,
            })
        }

        fn payload(
            row: &<$database as sqlx::Database>::Row,
        ) -> Result<Option<Payload>, AuditError> {
            let bytes: Option<Vec<u8>> = row.try_get("bytes")?;
            let Some(bytes) = bytes else { return Ok(None) };
            let salt: Vec<u8> = row.try_get("salt")?;
            let dek_id: Option<String> = row.try_get("dek_id")?;
            let bytes = bytes.into_boxed_slice();
            Ok(Some(match dek_id {
                Some(dek_id) => Payload::Sealed {
                    dek_id: dek_id.into(),
                    nonce: salt.try_into().map_err(|_| damaged("nonce"))?,
                    ciphertext: bytes,
                },
                None => Payload::Blinded {
                    blind: salt.try_into().map_err(|_| damaged("blind"))?,
                    bytes,
                },
            }))
        }

        macro_rules! scan_text {
            ($after:literal, $order:literal) => {
                concat!(
                    "SELECT r.seq, r.leaf, r.body, r.event_id, r.action, r.ts_us, p.dek_id, p.salt, p.bytes
                     FROM audit_record r LEFT JOIN audit_payload p ON p.tenant_id = r.tenant_id AND p.seq = r.seq
                     WHERE r.tenant_id = $1 AND r.seq >= $2 AND r.seq <= $3 AND r.ts_us >= $4 AND r.ts_us <= $5",
                    $after, " ORDER BY ", $order, " LIMIT $8"
                )
            };
        }

        pub(super) async fn scan(
            connection: &mut $connection,
            tenant: &TenantId,
            scan: &Scan,
        ) -> Result<Vec<Entry>, AuditError> {
            let text = match (scan.order, scan.descending) {
                (OrderBy::SequenceNumber, false) => scan_text!(" AND $6 <= r.ts_us AND r.seq > $7", "r.seq"),
                (OrderBy::SequenceNumber, true) => scan_text!(" AND $6 >= r.ts_us AND r.seq < $7", "r.seq DESC"),
                (OrderBy::Timestamp, false) => scan_text!(" AND (r.ts_us, r.seq) > ($6, $7)", "r.ts_us, r.seq"),
                (OrderBy::Timestamp, true) => scan_text!(" AND (r.ts_us, r.seq) < ($6, $7)", "r.ts_us DESC, r.seq DESC"),
            };
            // Before the first and after the last of everything.
            let edge = if scan.descending { i64::MAX } else { i64::MIN };
            let (time, number) = scan.after.map_or((edge, edge), |(time, number)| (time, signed(number)));
            let time = if scan.order == OrderBy::SequenceNumber { edge } else { time };
            let (start, end) = scan.sequences;
            let rows = sqlx::query(text)
                .bind(tenant.as_str())
                .bind(signed(start))
                .bind(signed(end))
                .bind(scan.times.0)
                .bind(scan.times.1)
                .bind(time)
                .bind(number)
                .bind(i64::from(scan.limit))
                .fetch_all(&mut *connection)
                .await?;
            rows.iter().map(entry).collect()
        }

        pub(super) async fn leaves(
            connection: &mut $connection,
            tenant: &TenantId,
            start: u64,
            end: u64,
        ) -> Result<Vec<Digest>, AuditError> {
            let rows: Vec<Vec<u8>> = sqlx::query_scalar(
                "SELECT leaf FROM (
                   SELECT seq, leaf FROM audit_leaf WHERE tenant_id = $1 AND seq >= $2 AND seq < $3
                   UNION ALL
                   SELECT seq, leaf FROM audit_record WHERE tenant_id = $1 AND seq >= $2 AND seq < $3) AS leaves
                 ORDER BY seq",
            )
            .bind(tenant.as_str())
            .bind(signed(start))
            .bind(signed(end))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter()
                .map(|it| Digest::from_slice(it).ok_or_else(|| damaged("hash")))
                .collect()
        }

        pub(super) async fn keys(
            connection: &mut $connection,
            tenant: &TenantId,
            subject: Option<&str>,
        ) -> Result<Vec<StoredKey>, AuditError> {
            let rows = sqlx::query(
                "SELECT dek_id, subject, kek_id, wrapped FROM audit_subject_key
                 WHERE tenant_id = $1 AND ($2 = '' OR subject = $2) ORDER BY dek_id",
            )
            .bind(tenant.as_str())
            .bind(subject.unwrap_or_default())
            .fetch_all(&mut *connection)
            .await?;
            let key = |row: &<$database as sqlx::Database>::Row| {
                Ok(StoredKey {
                    dek_id: row.try_get("dek_id")?,
                    subject: row.try_get("subject")?,
                    kek_id: row.try_get("kek_id")?,
                    wrapped: row.try_get("wrapped")?,
                })
            };
            rows.iter().map(key).collect()
        }

        pub(super) async fn queue(
            connection: &mut $connection,
            tenant: &TenantId,
            events: Vec<AuditEvent>,
        ) -> Result<u64, AuditError> {
            for event in events {
                let text = serde_json::to_vec(&event).map_err(AuditError::storage)?;
                sqlx::query("INSERT INTO audit_outbox (tenant_id, event) VALUES ($1, $2)")
                    .bind(tenant.as_str())
                    .bind(text)
                    .execute(&mut *connection)
                    .await?;
            }
            waiting(connection, tenant).await
        }

        pub(super) async fn drain(
            connection: &mut $connection,
            tenant: &TenantId,
            limit: u32,
        ) -> Result<Vec<AuditEvent>, AuditError> {
            let mut rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(concat!(
                "DELETE FROM audit_outbox WHERE tenant_id = $1 AND id IN
                   (SELECT id FROM audit_outbox WHERE tenant_id = $1 ORDER BY id LIMIT $2", $skip, ")
                 RETURNING id, event"
            ))
            .bind(tenant.as_str())
            .bind(i64::from(limit))
            .fetch_all(&mut *connection)
            .await?;
            rows.sort_unstable_by_key(|(id, _)| *id);
            rows.iter()
                .map(|(_, text)| serde_json::from_slice(text).map_err(|_| damaged("waiting event")))
                .collect()
        }

        pub(super) async fn waiting(
            connection: &mut $connection,
            tenant: &TenantId,
        ) -> Result<u64, AuditError> {
            let count: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_outbox WHERE tenant_id = $1")
                .bind(tenant.as_str())
                .fetch_one(&mut *connection)
                .await?;
            unsigned(count)
        }
    };
}
pub(super) use statements;

use crate::{audit::error::AuditError, sql::SqlError};

impl From<sqlx::Error> for AuditError {
    fn from(error: sqlx::Error) -> Self {
        Self::storage(error)
    }
}

impl From<SqlError> for AuditError {
    fn from(error: SqlError) -> Self {
        Self::storage(error)
    }
}

/// Implements [`super::AuditStore`] for a store whose `reader` gives a connection, `mine` the unit's, and whose
/// `session` begins units.
macro_rules! sql_store {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl AuditStore for $store {
            fn deployment(&self) -> &str {
                &self.deployment
            }

            async fn session(&self, tenant: &TenantId) -> Result<UnitSession<'_>, AuditError> {
                self.begin_session(tenant).await
            }

            async fn lock_head(
                &self,
                unit: &mut UnitOfWork<'_>,
            ) -> Result<Option<ChainHead>, AuditError> {
                let tenant = unit.tenant().clone();
                self.lock(unit, &tenant).await?;
                statements::head(mine(unit)?, &tenant, true).await
            }

            async fn append_in(
                &self,
                unit: &mut UnitOfWork<'_>,
                expected: Option<&ChainHead>,
                head: &ChainHead,
                batch: Vec<Entry>,
            ) -> Result<(), AuditError> {
                let tenant = unit.tenant().clone();
                statements::append(mine(unit)?, &tenant, expected, head, batch).await
            }

            async fn change_in(
                &self,
                unit: &mut UnitOfWork<'_>,
                change: Change,
            ) -> Result<(), AuditError> {
                let tenant = unit.tenant().clone();
                statements::change(mine(unit)?, &tenant, change).await
            }

            async fn recorded_in(
                &self,
                unit: &mut UnitOfWork<'_>,
                ids: &[AuditId],
            ) -> Result<Vec<Entry>, AuditError> {
                let tenant = unit.tenant().clone();
                statements::recorded(mine(unit)?, &tenant, ids).await
            }

            async fn keys_in(
                &self,
                unit: &mut UnitOfWork<'_>,
                subjects: &[String],
            ) -> Result<Vec<StoredKey>, AuditError> {
                let tenant = unit.tenant().clone();
                if subjects.is_empty() {
                    return statements::keys(mine(unit)?, &tenant, None).await;
                }
                let mut keys = Vec::new();
                for subject in subjects {
                    keys.extend(statements::keys(mine(unit)?, &tenant, Some(subject)).await?);
                }
                Ok(keys)
            }

            async fn queue_in(
                &self,
                unit: &mut UnitOfWork<'_>,
                events: Vec<AuditEvent>,
            ) -> Result<u64, AuditError> {
                let tenant = unit.tenant().clone();
                statements::queue(mine(unit)?, &tenant, events).await
            }

            async fn drain_in(
                &self,
                unit: &mut UnitOfWork<'_>,
                limit: u32,
            ) -> Result<Vec<AuditEvent>, AuditError> {
                let tenant = unit.tenant().clone();
                statements::drain(mine(unit)?, &tenant, limit).await
            }

            async fn head(&self, tenant: &TenantId) -> Result<Option<ChainHead>, AuditError> {
                statements::head(&mut *self.reader(tenant).await?, tenant, false).await
            }

            async fn scan(&self, tenant: &TenantId, scan: &Scan) -> Result<Vec<Entry>, AuditError> {
                statements::scan(&mut *self.reader(tenant).await?, tenant, scan).await
            }

            async fn leaves(
                &self,
                tenant: &TenantId,
                start: u64,
                end: u64,
            ) -> Result<Vec<Digest>, AuditError> {
                statements::leaves(&mut *self.reader(tenant).await?, tenant, start, end).await
            }

            async fn keys(&self, tenant: &TenantId) -> Result<Vec<StoredKey>, AuditError> {
                statements::keys(&mut *self.reader(tenant).await?, tenant, None).await
            }

            async fn waiting(&self, tenant: &TenantId) -> Result<u64, AuditError> {
                statements::waiting(&mut *self.reader(tenant).await?, tenant).await
            }
        }
    };
}
pub(super) use sql_store;
