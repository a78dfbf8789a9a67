//! Why a runner refuses or cannot go on. A run that fails is not an error: its result says so.

use llmteam_security::id::RunId;
use llmteam_workflow::persistence::{JournalError, SnapshotError};

use super::SegmentStatus;
use super::drive::DriveError;
use crate::canvas::error::{CanvasError, SegmentValidationError};
use crate::canvas::machine::ReplayError;
use crate::canvas::plan::PlanError;

/// What a runner answers instead of a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// The segment is refused.
    #[error(transparent)]
    Refused(#[from] CanvasError),
    /// The run id is taken.
    #[error("run `{0}` exists already")]
    RunAlreadyExists(RunId),
    /// The start's key is bound to a run that began with another input.
    #[error("key `{key}` has started run `{run_id}` with another input")]
    KeyConflict {
        /// The key.
        key: String,
        /// The run that it started.
        run_id: RunId,
    },
    /// A start's key is empty or longer than 255 bytes.
    #[error("a start's key has 1 to 255 bytes")]
    InvalidKey,
    /// The run input is not a JSON object.
    #[error("the run input must be a JSON object")]
    InputNotObject,
    /// No run of that id in the tenant.
    #[error("run `{0}` not found")]
    RunNotFound(RunId),
    /// The run is over and cannot go on.
    #[error("run `{run_id}` is over: {status}")]
    RunOver {
        /// The run.
        run_id: RunId,
        /// How it ended.
        status: SegmentStatus,
    },
    /// The run is paused and goes on from its snapshot only.
    #[error("run `{run_id}` is paused; resume it from snapshot `{snapshot_id}`")]
    RunPaused {
        /// The run.
        run_id: RunId,
        /// Its snapshot.
        snapshot_id: String,
    },
    /// Another process runs it.
    #[error("run `{0}` is being run by another process")]
    RunActive(RunId),
    /// No snapshot of that id in the tenant and instance.
    #[error("snapshot `{0}` not found")]
    SnapshotNotFound(String),
    /// The snapshot was changed after it was saved.
    #[error("snapshot `{0}` is damaged: its checksum does not match")]
    SnapshotIntegrity(String),
    /// The snapshot has been resumed from before.
    #[error("snapshot `{0}` has been resumed from already")]
    SnapshotConsumed(String),
    /// The snapshot could not be stored or read.
    #[error("the snapshot store failed: {0}")]
    SnapshotStore(SnapshotError),
    /// A pause failed because its snapshot could not be saved; the run goes on.
    #[error("the run could not be paused: {0}")]
    PauseFailed(String),
    /// The definition or a step type changed since the run began.
    #[error(
        "run `{run_id}` began with another version of its segment or step types ({recorded}, now {present})"
    )]
    DefinitionMismatch {
        /// The run.
        run_id: RunId,
        /// Digest the run began with.
        recorded: String,
        /// Digest that the stored definition has now.
        present: String,
    },
    /// The journal does not fit the plan, or is damaged.
    #[error("run `{run_id}` is quarantined: {reason}")]
    Quarantined {
        /// The run.
        run_id: RunId,
        /// What does not fit.
        reason: String,
    },
    /// The journal could not be read or written; the run is left to recovery.
    #[error("the run journal failed: {0}")]
    StoreUnavailable(JournalError),
    /// A fact did not follow from the state. The run is left to recovery.
    #[error("the run machine refused a record: {0}")]
    Machine(#[from] ReplayError),
    /// A value cannot be written as JSON.
    #[error("a value cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The run's task was torn down with its tokio runtime.
    #[error("the run's task was stopped before it came to a result")]
    TaskStopped,
}

impl From<JournalError> for RunnerError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::RunExists { run } => Self::RunAlreadyExists(run),
            JournalError::RunNotFound { run } => Self::RunNotFound(run),
            JournalError::RunActive { run, .. } => Self::RunActive(run),
            JournalError::Corrupt { run, reason } => Self::Quarantined {
                run_id: run,
                reason,
            },
            other => Self::StoreUnavailable(other),
        }
    }
}

impl From<SnapshotError> for RunnerError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::IntegrityFailed { snapshot_id, .. } => {
                Self::SnapshotIntegrity(snapshot_id)
            }
            SnapshotError::Consumed(snapshot_id) => Self::SnapshotConsumed(snapshot_id),
            other => Self::SnapshotStore(other),
        }
    }
}

impl From<DriveError> for RunnerError {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Journal(error) => error.into(),
            DriveError::Machine(error) => error.into(),
        }
    }
}

impl From<PlanError> for RunnerError {
    fn from(error: PlanError) -> Self {
        Self::Refused(SegmentValidationError::from_text(error.to_string()).into())
    }
}
