//! Reading the runs of one tenant from the journal.
//!
//! Invariant: runs of other tenants are never asked for; rows are read a page at a time and one run is held as records. A run
//! that cannot be read is named and left out, and the rest is read. This file does not know how a run becomes a case.

use std::collections::BTreeMap;
use std::sync::Arc;

use llmteam_orchestration::roles::mining::{AttributeValue, CaseLog, EventLog, MiningError};
use llmteam_security::Timestamp;
use llmteam_security::id::{RunId, SegmentId, TenantId};
use llmteam_workflow::persistence::{Journal, JournalError, RunFilter, RunRow, RunState};

use super::events::{RunEvents, RunProjection};
use crate::canvas::catalog::StepCatalog;
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::machine::{JournalRecord, RunIdentity};
use crate::canvas::plan::ExecutionPlan;

/// How many rows are read at once.
const PAGE: usize = 256;

/// Which runs of a tenant are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSelection {
    /// Only those of this segment.
    pub segment: Option<SegmentId>,
    /// Only those of definitions whose digest begins so.
    pub definition: Option<String>,
    /// Only those that began then or later.
    pub since: Option<Timestamp>,
    /// Only those that began before then.
    pub until: Option<Timestamp>,
    /// Only those in one of these states; empty means any.
    pub states: Vec<RunState>,
}

/// A run that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRun {
    /// Which.
    pub run: RunId,
    /// Why.
    pub reason: String,
}

/// Runs as a log, and what they were runs of.
#[derive(Debug)]
pub struct MinedRuns {
    /// One case for each run, in the order in which they began.
    pub log: EventLog,
    /// The plans that they are pinned to, by digest.
    pub plans: BTreeMap<String, Arc<ExecutionPlan>>,
    /// The runs that could not be read.
    pub skipped: Vec<SkippedRun>,
}

impl MinedRuns {
    /// The segments that the runs are of.
    pub fn segments(&self) -> Vec<&str> {
        let ids = self
            .plans
            .values()
            .map(|it| it.definition().segment_id.as_str());
        let mut ids: Vec<&str> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Why no runs were read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The runs make no log.
    #[error(transparent)]
    Mining(#[from] MiningError),
}

/// Reads runs of a tenant. `catalog` knows the step types of their definitions.
///
/// # Errors
///
/// The journal could not be read, or the runs make no log.
pub async fn read_runs(
    journal: &dyn Journal,
    tenant: &TenantId,
    selection: &RunSelection,
    catalog: &StepCatalog,
) -> Result<MinedRuns, LogError> {
    let chosen = choose(journal, tenant, selection).await?;
    let mut plans = Plans {
        journal,
        tenant,
        catalog,
        known: BTreeMap::new(),
    };
    let mut log = CaseLog::default();
    log.attribute("tenant", AttributeValue::Text(tenant.as_str()))?;
    let mut skipped = Vec::new();
    // Rows come newest first.
    for run in chosen.into_iter().rev() {
        match plans.fold(&run).await? {
            Ok(events) => log.add(&events.case())?,
            Err(reason) => skipped.push(SkippedRun {
                run: run.id,
                reason,
            }),
        }
    }
    let plans = plans.known.into_iter();
    Ok(MinedRuns {
        log: log.finish()?,
        plans: plans
            .filter_map(|(digest, plan)| Some((digest, plan.ok()?)))
            .collect(),
        skipped,
    })
}

/// What is kept of a row until its run is read.
struct Chosen {
    id: RunId,
    identity: RunIdentity,
    definition: String,
}

impl From<RunRow> for Chosen {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.run.clone(),
            identity: RunIdentity {
                tenant_id: row.tenant,
                instance_id: row.instance,
                run_id: row.run,
                segment_id: row.segment,
            },
            definition: row.definition,
        }
    }
}

async fn choose(
    journal: &dyn Journal,
    tenant: &TenantId,
    selection: &RunSelection,
) -> Result<Vec<Chosen>, JournalError> {
    let takes = |row: &RunRow| {
        selection.since.is_none_or(|it| row.started_at >= it)
            && selection.until.is_none_or(|it| row.started_at < it)
            && selection
                .definition
                .as_ref()
                .is_none_or(|it| row.definition.starts_with(it.as_str()))
            && row.next_index > 0
    };
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut before = None;
    loop {
        let filter = RunFilter {
            states: selection.states.clone(),
            segment: selection.segment.clone(),
            before: before.take(),
            limit: PAGE,
            ..RunFilter::default()
        };
        let rows = journal.runs(tenant, filter).await?;
        let is_last = rows.len() < PAGE;
        before = rows.last().map(|row| row.run.clone());
        chosen.extend(rows.into_iter().filter(takes).map(Chosen::from));
        if is_last {
            return Ok(chosen);
        }
    }
}

/// The plans of definitions, each compiled once.
struct Plans<'a> {
    journal: &'a dyn Journal,
    tenant: &'a TenantId,
    catalog: &'a StepCatalog,
    known: BTreeMap<String, Result<Arc<ExecutionPlan>, String>>,
}

impl Plans<'_> {
    /// The events of a run, or why it has none.
    async fn fold(&mut self, run: &Chosen) -> Result<Result<RunEvents, String>, JournalError> {
        if !self.known.contains_key(&run.definition) {
            let plan = self.compile(&run.definition).await?.map(Arc::new);
            self.known.insert(run.definition.clone(), plan);
        }
        let plan = match &self.known[&run.definition] {
            Ok(plan) => Arc::clone(plan),
            Err(reason) => return Ok(Err(reason.clone())),
        };
        let entries = match self.journal.read(self.tenant, &run.id, 0).await {
            Ok(entries) => entries,
            Err(error @ JournalError::Unavailable(_)) => return Err(error),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut projection = RunProjection::new(plan, Arc::new(run.identity.clone()));
        for entry in entries {
            let folded = serde_json::from_slice::<JournalRecord>(&entry.body)
                .map_err(|error| error.to_string())
                .and_then(|record| projection.apply(&record).map_err(|error| error.to_string()));
            if let Err(reason) = folded {
                return Ok(Err(format!("record {}: {reason}", entry.index)));
            }
        }
        Ok(Ok(projection.finish()))
    }

    async fn compile(&self, digest: &str) -> Result<Result<ExecutionPlan, String>, JournalError> {
        let Some(body) = self.journal.definition(self.tenant, digest).await? else {
            return Ok(Err(format!("definition `{digest}` is not stored")));
        };
        let Ok(definition) = SegmentDefinition::from_json(&body) else {
            return Ok(Err(format!("definition `{digest}` cannot be read")));
        };
        Ok(
            match ExecutionPlan::compile(&definition, |id| self.catalog.get(id)) {
                Err(error) => Err(error.to_string()),
                Ok(plan) if plan.digest() != digest => Err(format!(
                    "definition `{digest}` has step types that this program does not have, or has otherwise"
                )),
                Ok(plan) => Ok(plan),
            },
        )
    }
}
