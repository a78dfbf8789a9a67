//! What a snapshot holds, and the checksum that proves it unaltered.
//!
//! Invariant: a sealed snapshot has the SHA-256 over the canonical JSON (RFC 8785) of all its other fields; a
//! checksum that is there is compared, never replaced. It detects damage, not forgery.

use std::{collections::BTreeMap, fmt};

use llmteam_security::{
    clock::Timestamp,
    id::{RunId, TenantId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::persistence::error::SnapshotError;

/// The version of the envelope that this program reads and writes.
pub const SNAPSHOT_VERSION: &str = "2.0";

/// The largest snapshot, in bytes of JSON.
pub(super) const MAX_SIZE: usize = 16 * 1024 * 1024;

/// The longest snapshot id, in bytes.
const MAX_ID_LEN: usize = 128;

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotType {
    /// An interval has passed.
    Auto,
    /// Somebody asked.
    Manual,
    /// The run reached a point it can go back to.
    Checkpoint,
    /// The run was paused.
    Pause,
    /// The run failed.
    Error,
}

/// What a pipeline was doing when the snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PipelinePhase {
    /// No step has started.
    Initializing,
    /// Steps run.
    Running,
    /// A step waits for a person.
    WaitingHuman,
    /// A step waits for an action to complete elsewhere.
    WaitingAction,
    /// Stopped by request.
    Paused,
    /// Ended well.
    Completed,
    /// Ended by an error.
    Failed,
    /// Ended by request.
    Cancelled,
}

impl PipelinePhase {
    /// Whether nothing can follow.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What one agent had done by then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentSnapshot {
    /// The agent.
    pub agent_name: String,
    /// Its state.
    pub state: Map<String, Value>,
    /// What it could see.
    pub context: Map<String, Value>,
    /// Its conversation.
    pub messages: Vec<Map<String, Value>>,
    /// What it had finished.
    pub completed_steps: Vec<String>,
    /// What it was at.
    pub current_step: String,
    /// Tokens it had used.
    pub tokens_used: u64,
    /// How long it had worked, in milliseconds.
    pub execution_time_ms: u64,
}

/// The whole resumable state of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineSnapshot {
    /// Its id; unique in the tenant, at most 128 bytes.
    pub snapshot_id: String,
    /// Why it was taken.
    pub snapshot_type: SnapshotType,
    /// The pipeline, or the segment.
    pub pipeline_id: String,
    /// The run.
    pub run_id: RunId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// What the run was doing.
    pub phase: PipelinePhase,
    /// The version of the pipeline it belongs to.
    pub pipeline_version: String,
    /// The version of this envelope.
    pub snapshot_version: String,
    /// The state as the engine keeps it.
    #[serde(default)]
    pub global_state: Map<String, Value>,
    /// The agents by name.
    #[serde(default)]
    pub agent_snapshots: BTreeMap<String, AgentSnapshot>,
    /// What was finished.
    #[serde(default)]
    pub completed_steps: Vec<String>,
    /// What comes next.
    #[serde(default)]
    pub next_steps: Vec<String>,
    /// What it was at.
    #[serde(default)]
    pub current_step: String,
    /// Actions that had not come back, by execution id.
    #[serde(default)]
    pub pending_actions: Vec<String>,
    /// Questions that had no answer, by request id.
    #[serde(default)]
    pub pending_approvals: Vec<String>,
    /// When it was taken.
    pub created_at: Timestamp,
    /// When the run began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When the run was paused.
    #[serde(default)]
    pub paused_at: Option<Timestamp>,
    /// Tokens used so far.
    #[serde(default)]
    pub total_tokens: u64,
    /// Actions performed so far.
    #[serde(default)]
    pub total_actions: u64,
    /// Questions asked so far.
    #[serde(default)]
    pub total_approvals: u64,
    /// Its place among the snapshots of the run, from 1. The store numbers an unsealed snapshot.
    #[serde(default)]
    pub seq: u64,
    /// Content hash of the definition.
    #[serde(default)]
    pub definition_hash: Option<String>,
    /// The epoch of the run's owner. A store refuses one below the highest it has seen.
    #[serde(default)]
    pub fencing_token: Option<u64>,
    /// What the run was doing before it was paused.
    #[serde(default)]
    pub phase_before_pause: Option<PipelinePhase>,
    /// SHA-256 over all other fields, in hex; empty until sealed.
    #[serde(default)]
    pub checksum: String,
}

impl PipelineSnapshot {
    /// An unsealed manual snapshot of a run that has not begun.
    pub fn new(
        snapshot_id: impl Into<String>,
        pipeline_id: impl Into<String>,
        pipeline_version: impl Into<String>,
        run_id: RunId,
        tenant_id: TenantId,
        created_at: Timestamp,
    ) -> Self {
        Self {
            snapshot_id: snapshot_id.into(),
            snapshot_type: SnapshotType::Manual,
            pipeline_id: pipeline_id.into(),
            run_id,
            tenant_id,
            phase: PipelinePhase::Initializing,
            pipeline_version: pipeline_version.into(),
            snapshot_version: SNAPSHOT_VERSION.to_owned(),
            global_state: Map::new(),
            agent_snapshots: BTreeMap::new(),
            completed_steps: Vec::new(),
            next_steps: Vec::new(),
            current_step: String::new(),
            pending_actions: Vec::new(),
            pending_approvals: Vec::new(),
            created_at,
            started_at: None,
            paused_at: None,
            total_tokens: 0,
            total_actions: 0,
            total_approvals: 0,
            seq: 0,
            definition_hash: None,
            fencing_token: None,
            phase_before_pause: None,
            checksum: String::new(),
        }
    }

    /// Whether it has a checksum.
    pub fn is_sealed(&self) -> bool {
        !self.checksum.is_empty()
    }

    /// Gives it a checksum, or compares the one it has.
    pub fn seal(mut self) -> Result<Self, SnapshotError> {
        if self.is_sealed() {
            self.verify()?;
        } else {
            self.checksum = checksum(self.fields()?)?;
        }
        Ok(self)
    }

    /// Compares the checksum with the content.
    pub fn verify(&self) -> Result<(), SnapshotError> {
        compare(&self.snapshot_id, &self.checksum, self.fields()?)
    }

    /// What a retention rule must not drop: a pause that nobody has resumed.
    pub(super) fn waits_for_resume(&self) -> bool {
        self.snapshot_type == SnapshotType::Pause
    }

    /// The JSON that a store keeps. The snapshot must be sealed.
    pub(super) fn to_text(&self) -> Result<String, SnapshotError> {
        let snapshot_id = || self.snapshot_id.clone();
        if self.snapshot_version != SNAPSHOT_VERSION {
            return Err(SnapshotError::UnsupportedVersion {
                snapshot_id: snapshot_id(),
                version: self.snapshot_version.clone(),
            });
        }
        if self.snapshot_id.is_empty() || self.snapshot_id.len() > MAX_ID_LEN {
            let text = format!("its id has {} bytes, not 1 to 128", self.snapshot_id.len());
            return Err(SnapshotError::Unwritable(text));
        }
        let text = serde_json::to_string(self).map_err(unwritable)?;
        if text.len() > MAX_SIZE {
            return Err(SnapshotError::TooLarge {
                snapshot_id: snapshot_id(),
                size: text.len(),
                limit: MAX_SIZE,
            });
        }
        Ok(text)
    }

    /// Reads what a store kept under `snapshot_id`, and trusts it only with a matching checksum. Fields that
    /// this program does not know are covered too.
    pub(super) fn from_text(snapshot_id: &str, text: &str) -> Result<Self, SnapshotError> {
        let damaged = |reason: String| SnapshotError::IntegrityFailed {
            snapshot_id: snapshot_id.to_owned(),
            reason,
        };
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let version = fields.get("snapshot_version").and_then(Value::as_str);
        if let Some(version) = version.filter(|it| *it != SNAPSHOT_VERSION) {
            return Err(SnapshotError::UnsupportedVersion {
                snapshot_id: snapshot_id.to_owned(),
                version: version.to_owned(),
            });
        }
        let checksum = fields.get("checksum").and_then(Value::as_str);
        let checksum = checksum.unwrap_or_default().to_owned();
        compare(snapshot_id, &checksum, fields.clone())?;
        let snapshot: Self = serde_json::from_value(Value::Object(fields))
            .map_err(|error| damaged(error.to_string()))?;
        if snapshot.snapshot_id != snapshot_id {
            return Err(damaged(format!(
                "it is snapshot `{}`",
                snapshot.snapshot_id
            )));
        }
        Ok(snapshot)
    }

    fn fields(&self) -> Result<Map<String, Value>, SnapshotError> {
        match serde_json::to_value(self).map_err(unwritable)? {
            Value::Object(fields) => Ok(fields),
            other => Err(SnapshotError::Unwritable(format!("{other} is no object"))),
        }
    }
}

fn compare(id: &str, stored: &str, fields: Map<String, Value>) -> Result<(), SnapshotError> {
    if checksum(fields)? == stored {
        return Ok(());
    }
    Err(SnapshotError::IntegrityFailed {
        snapshot_id: id.to_owned(),
        reason: "its checksum does not match its content".to_owned(),
    })
}

fn checksum(mut fields: Map<String, Value>) -> Result<String, SnapshotError> {
    fields.remove("checksum");
    let canonical = serde_json_canonicalizer::to_vec(&fields).map_err(unwritable)?;
    let digest = Sha256::digest(canonical);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unwritable(error: impl fmt::Display) -> SnapshotError {
    SnapshotError::Unwritable(error.to_string())
}
