//! The run's own end of the journal: records in, nothing acted on before they are kept.

use std::sync::Arc;

use llmteam_security::audit::Actor;
use llmteam_workflow::persistence::{Journal, JournalEntry, JournalError, Lease, RunUpdate};

use super::result::status_of;
use super::{SegmentResult, audit};
use crate::canvas::machine::{JournalRecord, RunMachine};

/// Where the records of one run go.
pub(super) struct RunLog {
    /// None: durability `memory`, nothing is stored.
    kept: Option<Kept>,
}

struct Kept {
    journal: Arc<dyn Journal>,
    lease: Lease,
    next_index: u64,
    /// Who started or resumed the run here.
    actor: Actor,
}

impl RunLog {
    /// A log that stores nothing.
    pub(super) fn none() -> Self {
        Self { kept: None }
    }

    /// The log of a run that this process owns; `next_index` records are there.
    pub(super) fn of(
        journal: Arc<dyn Journal>,
        lease: Lease,
        next_index: u64,
        actor: Actor,
    ) -> Self {
        Self {
            kept: Some(Kept {
                journal,
                lease,
                next_index,
                actor,
            }),
        }
    }

    /// Whether records are stored at all.
    pub(super) fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// Keeps records and what the run has come to by them. Durable when it returns.
    pub(super) async fn append(
        &mut self,
        machine: &RunMachine,
        records: &[JournalRecord],
    ) -> Result<(), JournalError> {
        let Some(kept) = &mut self.kept else {
            return Ok(());
        };
        let batch = entries(machine, records, kept.next_index)?;
        let mut update = update(machine)?;
        // What the first record says was kept with it.
        if kept.journal.audits() && !records.is_empty() {
            update.audit = audit::events(machine, records, &kept.actor);
        }
        kept.journal.append(&kept.lease, batch, update).await?;
        kept.next_index += records.len() as u64;
        Ok(())
    }

    /// Gives the run up, so that any process may claim it.
    pub(super) async fn release(&mut self) {
        if let Some(kept) = self.kept.take()
            && let Err(error) = kept.journal.release(kept.lease).await
        {
            tracing::warn!(%error, "the lease of a run could not be released; it will run out");
        }
    }
}

/// Records as journal entries, numbered from `first`.
pub(super) fn entries(
    machine: &RunMachine,
    records: &[JournalRecord],
    first: u64,
) -> Result<Vec<JournalEntry>, JournalError> {
    records
        .iter()
        .zip(first..)
        .map(|(record, index)| {
            Ok(JournalEntry {
                index,
                kind: record.fact.kind().into(),
                step: record.fact.step().map(|step| machine.step_id(step).clone()),
                time: record.time,
                body: serde_json::to_vec(record)
                    .map_err(|error| JournalError::Unwritable(error.to_string()))?,
            })
        })
        .collect()
}

/// What the run has come to, for its row.
pub(super) fn update(machine: &RunMachine) -> Result<RunUpdate, JournalError> {
    let (state, _, _) = status_of(machine);
    let summary = if state.is_running() {
        None
    } else {
        let result = SegmentResult::of(machine);
        Some(
            result
                .to_value()
                .map_err(|error| JournalError::Unwritable(error.to_string()))?,
        )
    };
    Ok(RunUpdate {
        state,
        summary,
        wake_at: None,
        audit: Vec::new(),
    })
}
