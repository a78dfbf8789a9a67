//! The statements that write many runs at once, each a fixed text, so that SQLite prepares it once.
//!
//! A statement has room for 1, 2, 4… rows; the room that is left over stays null and writes nothing.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use llmteam_security::{
    audit::AuditEvent,
    clock::Timestamp,
    id::{RunId, TenantId},
};
use sqlx::{
    Arguments, AssertSqlSafe, Encode, Sqlite, Type, error::BoxDynError, query::Query,
    sqlite::SqliteArguments,
};

use crate::persistence::{
    error::JournalError,
    journal::{JournalEntry, JournalVersion},
    lease::Owner,
    run::{NewRun, RunState, RunUpdate},
};

pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

/// The most rows that one statement takes.
pub(super) const MAX_ROWS: usize = 128;

/// A run that is to be created.
#[derive(Clone, Debug)]
pub(super) struct Creation {
    pub(super) run: NewRun,
    owner: Owner,
    state: RunState,
}

/// What one caller adds to one run.
#[derive(Clone, Debug)]
pub(super) struct Addition {
    pub(super) key: i64,
    pub(super) epoch: i64,
    pub(super) tenant: TenantId,
    pub(super) run: RunId,
    pub(super) entries: Vec<Row>,
    pub(super) audit: Vec<AuditEvent>,
    state: RunState,
    wake_at: Option<i64>,
    summary: Option<Arc<str>>,
}

/// An entry as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) index: i64,
    kind: Arc<str>,
    step: Option<Arc<str>>,
    time: i64,
    crc: u32,
    body: Arc<str>,
}

impl Creation {
    pub(super) fn new(run: NewRun, owner: Owner, empty: bool) -> Self {
        let state = if empty {
            RunState::Pending
        } else {
            RunState::Running
        };
        Self { run, owner, state }
    }

    const COLUMNS: usize = 12;

    fn bind(&self, values: &mut Values) -> Result<(), BoxDynError> {
        let run = &self.run;
        values.text(run.tenant.as_str())?;
        values.text(run.run.as_str())?;
        values.text(run.instance.as_str())?;
        values.text(run.segment.as_str())?;
        values.text(&run.definition)?;
        values.add(run.parent.as_ref().map(|it| it.as_str().to_owned()))?;
        values.add(JournalVersion::CURRENT.number())?;
        values.add(run.started_at.as_micros())?;
        values.text(self.state.as_str())?;
        values.text(self.owner.host())?;
        values.add(self.owner.pid())?;
        values.add(signed(self.owner.process_started()))
    }
}

impl Addition {
    pub(super) fn new(
        tenant: &TenantId,
        run: &RunId,
        (key, epoch): (i64, u64),
        entries: Vec<JournalEntry>,
        update: &RunUpdate,
    ) -> Result<Self, JournalError> {
        let entries = entries
            .into_iter()
            .map(|it| Row::new(tenant, run, epoch, it));
        let unwritable = |error: serde_json::Error| JournalError::Unwritable(error.to_string());
        let summary = update.summary.as_ref().map(serde_json::to_string);
        Ok(Self {
            key,
            epoch: signed(epoch),
            tenant: tenant.clone(),
            run: run.clone(),
            audit: update.audit.clone(),
            entries: entries.collect::<Result<_, _>>()?,
            state: update.state,
            wake_at: update.wake_at.map(Timestamp::as_micros),
            summary: summary.transpose().map_err(unwritable)?.map(Arc::from),
        })
    }

    const COLUMNS: usize = 12;

    /// Each row says what the run has come to; the last one has the last word.
    fn bind(&self, row: &Row, values: &mut Values) -> Result<(), BoxDynError> {
        let last = self.entries.last().is_some_and(|it| it.index == row.index);
        values.add(self.key)?;
        values.add(self.epoch)?;
        values.add(row.index)?;
        values.add(Arc::clone(&row.kind))?;
        values.add(row.step.clone())?;
        values.add(row.time)?;
        values.add(row.crc)?;
        values.add(Arc::clone(&row.body))?;
        values.text(self.state.as_str())?;
        values.add(last && self.state.is_final())?;
        values.add(self.wake_at)?;
        values.add(self.summary.clone().filter(|_| last))
    }

    /// Stores what the run has come to, without an entry.
    pub(super) fn update(&self) -> Result<Statement, JournalError> {
        let sql = if self.state.is_final() {
            "UPDATE runs SET state = ?, wake_at = ?, summary = ?, ended = 1, owner_host = NULL, owner_pid = NULL,
                    owner_started = NULL
              WHERE run_key = ? AND epoch = ? AND ended = 0"
        } else {
            "UPDATE runs SET state = ?, wake_at = ?, summary = ? WHERE run_key = ? AND epoch = ? AND ended = 0"
        };
        let mut values = Values::default();
        let bound = values
            .text(self.state.as_str())
            .and_then(|()| values.add(self.wake_at))
            .and_then(|()| values.add(self.summary.clone()))
            .and_then(|()| values.add(self.key))
            .and_then(|()| values.add(self.epoch));
        bound.map_err(unbound)?;
        Ok(sqlx::query_with(sql, values.0))
    }
}

impl Row {
    fn new(
        tenant: &TenantId,
        run: &RunId,
        epoch: u64,
        entry: JournalEntry,
    ) -> Result<Self, JournalError> {
        let crc = entry.checksum(tenant, run, epoch);
        let body = String::from_utf8(entry.body)
            .map_err(|error| JournalError::Unwritable(error.to_string()))?;
        Ok(Self {
            index: signed(entry.index),
            kind: entry.kind.into(),
            step: entry.step.map(|it| it.as_str().into()),
            time: entry.time.as_micros(),
            crc,
            body: body.into(),
        })
    }
}

/// Creates the runs that are not there, and answers their keys. At most [`MAX_ROWS`].
pub(super) fn create(creations: &[&Creation]) -> Result<Statement, JournalError> {
    static SIZES: LazyLock<Sizes> = LazyLock::new(|| {
        sizes(Creation::COLUMNS, |values| {
            format!(
                "INSERT INTO runs
                   (tenant_id, run_id, instance_id, segment_id, definition, parent_id, format, started_at,
                    state, owner_host, owner_pid, owner_started, epoch, next_index, updated_at)
                 SELECT *, 1, 0, column8 FROM (VALUES {values}) WHERE column1 IS NOT NULL
                 ON CONFLICT DO NOTHING
                 RETURNING run_key, tenant_id, run_id"
            )
        })
    });
    let mut values = Values::default();
    for creation in creations {
        creation.bind(&mut values).map_err(unbound)?;
    }
    Ok(fitted(&SIZES, creations.len(), values))
}

/// Appends entries, each of the run that is named beside it. At most [`MAX_ROWS`]; all of them or none.
pub(super) fn append(rows: &[(&Addition, &Row)]) -> Result<Statement, JournalError> {
    static SIZES: LazyLock<Sizes> = LazyLock::new(|| {
        sizes(Addition::COLUMNS, |values| {
            format!(
                "INSERT INTO journal_append
                   (run_key, epoch, idx, kind, step_id, time, crc, body, state, ends, wake_at, summary)
                 VALUES {values}"
            )
        })
    });
    let mut values = Values::default();
    for (addition, row) in rows {
        addition.bind(row, &mut values).map_err(unbound)?;
    }
    Ok(fitted(&SIZES, rows.len(), values))
}

/// The texts for 1, 2, 4… [`MAX_ROWS`] rows.
type Sizes = Vec<String>;

fn sizes(columns: usize, text: impl Fn(&str) -> String) -> Sizes {
    let row = format!("({})", vec!["?"; columns].join(", "));
    let sizes = (0..=MAX_ROWS.ilog2()).map(|size| text(&vec![row.as_str(); 1 << size].join(", ")));
    sizes.collect()
}

/// The smallest text with room for `rows`. What is not bound is null.
fn fitted(sizes: &'static Sizes, rows: usize, values: Values) -> Statement {
    let size = rows.next_power_of_two().ilog2() as usize;
    // The texts are our own; all data is bound.
    sqlx::query_with(AssertSqlSafe(sizes[size].as_str()), values.0)
}

#[derive(Default)]
struct Values(SqliteArguments);

impl Values {
    fn text(&mut self, text: &str) -> Result<(), BoxDynError> {
        self.add(Arc::<str>::from(text))
    }

    fn add<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(
        &mut self,
        value: T,
    ) -> Result<(), BoxDynError> {
        Arguments::add(&mut self.0, value)
    }
}

fn unbound(error: impl fmt::Display) -> JournalError {
    JournalError::Unwritable(error.to_string())
}

/// Databases store signed numbers; no count comes near the end of them.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
