//! Snapshots: sealed folds of a run that shorten recovery and carry pause and resume.
//!
//! Invariant: what a store hands out is what was saved, proved by its checksum; a damaged snapshot is an
//! error, never an absent one. A snapshot starts at most one resume. This module does not know how a run is
//! resumed, nor what the engine keeps in `global_state`.

#[cfg(test)]
mod contract;
mod envelope;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

use async_trait::async_trait;
use llmteam_security::{
    clock::Timestamp,
    id::{RunId, TenantId},
};

#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteSnapshotStore;
pub use self::{
    envelope::{AgentSnapshot, PipelinePhase, PipelineSnapshot, SNAPSHOT_VERSION, SnapshotType},
    memory::MemorySnapshotStore,
};
use super::error::SnapshotError;

/// Which snapshots of a tenant are listed, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFilter {
    /// Only those of this pipeline.
    pub pipeline: Option<String>,
    /// Only those of this run.
    pub run: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

impl Default for SnapshotFilter {
    fn default() -> Self {
        Self {
            pipeline: None,
            run: None,
            limit: 10,
        }
    }
}

/// What a list says of a snapshot; its content is not verified for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its id.
    pub snapshot_id: String,
    /// The pipeline.
    pub pipeline_id: String,
    /// The run.
    pub run_id: RunId,
    /// Its place among the snapshots of the run.
    pub seq: u64,
    /// Why it was taken.
    pub snapshot_type: SnapshotType,
    /// What the run was doing.
    pub phase: PipelinePhase,
    /// When it was taken.
    pub created_at: Timestamp,
    /// Its size in bytes of JSON.
    pub size: usize,
    /// Whether it has been resumed from.
    pub consumed: bool,
}

impl SnapshotInfo {
    fn of(snapshot: &PipelineSnapshot, size: usize, consumed: bool) -> Self {
        Self {
            snapshot_id: snapshot.snapshot_id.clone(),
            pipeline_id: snapshot.pipeline_id.clone(),
            run_id: snapshot.run_id.clone(),
            seq: snapshot.seq,
            snapshot_type: snapshot.snapshot_type,
            phase: snapshot.phase,
            created_at: snapshot.created_at,
            size,
            consumed,
        }
    }
}

/// Where snapshots are kept. A snapshot of another tenant is an absent one.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// Stores a snapshot and returns it as stored. Durable when it returns.
    ///
    /// An unsealed snapshot gets the next number of its run and a checksum; a sealed one is verified and keeps
    /// both. Saving under an id that is there replaces that snapshot in its place, as long as it is of the same
    /// run and has not been consumed.
    async fn save(&self, snapshot: PipelineSnapshot) -> Result<PipelineSnapshot, SnapshotError>;

    /// The snapshot with this id.
    async fn load(
        &self,
        tenant: &TenantId,
        snapshot_id: &str,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError>;

    /// The snapshot of the run with the highest number. If it is damaged that is an error:
    /// see [`Self::load_latest_intact`].
    async fn load_latest(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError>;

    /// The newest snapshot of the run that is not damaged.
    async fn load_latest_intact(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError> {
        let filter = SnapshotFilter {
            run: Some(run.clone()),
            limit: usize::MAX,
            ..SnapshotFilter::default()
        };
        let mut infos = self.list(tenant, filter).await?;
        infos.sort_by_key(|it| std::cmp::Reverse(it.seq));
        for info in infos {
            match self.load(tenant, &info.snapshot_id).await {
                Ok(None) | Err(SnapshotError::IntegrityFailed { .. }) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    /// The tenant's snapshots that pass `filter`, newest first.
    async fn list(
        &self,
        tenant: &TenantId,
        filter: SnapshotFilter,
    ) -> Result<Vec<SnapshotInfo>, SnapshotError>;

    /// Marks a snapshot as resumed from. True for exactly one caller; false for all others, and when there is
    /// no such snapshot.
    async fn consume(&self, tenant: &TenantId, snapshot_id: &str) -> Result<bool, SnapshotError>;

    /// Removes a snapshot. Whether it was there; an absent one is no error.
    async fn delete(&self, tenant: &TenantId, snapshot_id: &str) -> Result<bool, SnapshotError>;
}

/// Refuses a snapshot of an owner that another has followed. `highest` is the highest token of the run's
/// snapshots so far.
fn check_fence(snapshot: &PipelineSnapshot, highest: Option<u64>) -> Result<(), SnapshotError> {
    match (snapshot.fencing_token, highest) {
        (Some(token), Some(highest)) if token < highest => Err(SnapshotError::Fenced {
            run: snapshot.run_id.clone(),
            token,
        }),
        _ => Ok(()),
    }
}
