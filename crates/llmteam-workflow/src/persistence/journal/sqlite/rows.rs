//! Reading rows back, and finding out whether they are what was written.

use std::{fmt, str::FromStr};

use llmteam_security::{
    clock::Timestamp,
    id::{RunId, TenantId},
};
use sqlx::{Decode, Row, Sqlite, Type, sqlite::SqliteRow};

use crate::persistence::{
    error::JournalError,
    journal::{JournalEntry, JournalVersion},
    lease::Owner,
    run::RunRow,
};

/// What a claim needs to know of a run.
pub(super) struct Claimed {
    pub(super) key: i64,
    pub(super) epoch: u64,
    pub(super) owner: Option<Owner>,
}

pub(super) fn claimed(run: &RunId, row: &SqliteRow) -> Result<Claimed, JournalError> {
    let columns = Columns { run, row };
    columns.known_version()?;
    Ok(Claimed {
        key: columns.get("run_key")?,
        epoch: columns.number("epoch")?,
        owner: columns.owner()?,
    })
}

pub(super) fn run(row: &SqliteRow) -> Result<RunRow, JournalError> {
    let unreadable = |error: String| JournalError::Unavailable(format!("a run has no id: {error}"));
    let id: String = row
        .try_get("run_id")
        .map_err(|error| unreadable(error.to_string()))?;
    let run: RunId = id
        .parse()
        .map_err(|error: llmteam_security::id::InvalidId| unreadable(error.to_string()))?;
    let columns = Columns { run: &run, row };
    let summary: Option<String> = columns.get("summary")?;
    let summary = summary.map(|text| serde_json::from_str(&text));
    let parent: Option<String> = columns.get("parent_id")?;
    let wake_at: Option<i64> = columns.get("wake_at")?;
    Ok(RunRow {
        tenant: columns.parsed("tenant_id")?,
        instance: columns.parsed("instance_id")?,
        segment: columns.parsed("segment_id")?,
        definition: columns.get("definition")?,
        started_at: columns.time("started_at")?,
        parent: parent
            .map(|it| it.parse())
            .transpose()
            .map_err(|error| columns.damaged(error))?,
        state: columns.parsed("state")?,
        summary: summary
            .transpose()
            .map_err(|error| columns.damaged(error))?,
        wake_at: wake_at.map(Timestamp::from_micros),
        updated_at: columns.time("updated_at")?,
        next_index: columns.number("next_index")?,
        epoch: columns.number("epoch")?,
        idle_claims: columns.get("idle_claims")?,
        owner: columns.owner()?,
        version: columns.version()?,
        run: run.clone(),
    })
}

/// The entries from `from` on, out of rows that hold the run's columns and then the entry's.
pub(super) fn entries(
    tenant: &TenantId,
    run: &RunId,
    from: u64,
    rows: &[SqliteRow],
) -> Result<Vec<JournalEntry>, JournalError> {
    let first = rows
        .first()
        .ok_or_else(|| JournalError::RunNotFound { run: run.clone() })?;
    let columns = Columns { run, row: first };
    columns.known_version()?;
    let (last_epoch, next): (u64, u64) = (columns.number(1)?, columns.number(2)?);
    let mut entries = Vec::with_capacity(rows.len());
    let mut epoch = 0;
    // A run without entries from there on is one row of nulls.
    if columns.get::<Option<i64>>(3)?.is_some() {
        for (index, row) in (from..).zip(rows) {
            let columns = Columns { run, row };
            let stored: u64 = columns.number(3)?;
            if stored != index {
                return Err(columns.damaged(format!("entry {index} is missing")));
            }
            let writer: u64 = columns.number(4)?;
            if writer < epoch || writer > last_epoch {
                let reason = format!("entry {index} was written out of turn, in epoch {writer}");
                return Err(columns.damaged(reason));
            }
            epoch = writer;
            let entry = columns.entry(index)?;
            if entry.checksum(tenant, run, writer) != columns.get::<u32>(8)? {
                let reason = format!("entry {index} does not match its checksum");
                return Err(columns.damaged(reason));
            }
            entries.push(entry);
        }
    }
    let end = from.saturating_add(entries.len() as u64);
    if end < next {
        return Err(columns.damaged(format!("entry {end} is missing")));
    }
    if end > next && !entries.is_empty() {
        return Err(columns.damaged(format!("entry {next} should not be there")));
    }
    Ok(entries)
}

/// The columns of one row about one run.
struct Columns<'a> {
    run: &'a RunId,
    row: &'a SqliteRow,
}

impl<'a> Columns<'a> {
    fn damaged(&self, reason: impl fmt::Display) -> JournalError {
        JournalError::Corrupt {
            run: self.run.clone(),
            reason: reason.to_string(),
        }
    }

    fn get<T: Decode<'a, Sqlite> + Type<Sqlite>>(
        &self,
        column: impl sqlx::ColumnIndex<SqliteRow>,
    ) -> Result<T, JournalError> {
        self.row
            .try_get(column)
            .map_err(|error| self.damaged(error))
    }

    fn number(&self, column: impl sqlx::ColumnIndex<SqliteRow>) -> Result<u64, JournalError> {
        u64::try_from(self.get::<i64>(column)?).map_err(|error| self.damaged(error))
    }

    fn time(&self, column: impl sqlx::ColumnIndex<SqliteRow>) -> Result<Timestamp, JournalError> {
        Ok(Timestamp::from_micros(self.get(column)?))
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&self, column: &str) -> Result<T, JournalError> {
        self.get::<&str>(column)?
            .parse()
            .map_err(|error| self.damaged(error))
    }

    fn owner(&self) -> Result<Option<Owner>, JournalError> {
        let Some(host) = self.get::<Option<String>>("owner_host")? else {
            return Ok(None);
        };
        let owner = Owner::new(host, self.get("owner_pid")?, self.number("owner_started")?);
        Ok(Some(owner))
    }

    fn version(&self) -> Result<JournalVersion, JournalError> {
        Ok(JournalVersion::new(self.get("format")?))
    }

    fn known_version(&self) -> Result<(), JournalError> {
        let found = self.version()?;
        if found.is_known() {
            return Ok(());
        }
        let run = self.run.clone();
        Err(JournalError::NewerFormat { run, found })
    }

    fn entry(&self, index: u64) -> Result<JournalEntry, JournalError> {
        let step: Option<&str> = self.get(6)?;
        Ok(JournalEntry {
            index,
            kind: self.get::<String>(5)?.into(),
            step: step
                .map(str::parse)
                .transpose()
                .map_err(|error| self.damaged(error))?,
            time: self.time(7)?,
            body: self.get::<String>(9)?.into_bytes(),
        })
    }
}
