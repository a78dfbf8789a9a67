//! Snapshots of paused runs and who may resume from one.

use std::sync::Arc;

use llmteam_security::clock::Clock;
use llmteam_security::id::{self, TenantId};
use llmteam_workflow::persistence::{PipelinePhase, PipelineSnapshot, SnapshotStore, SnapshotType};
use serde_json::{Value, json};

use super::drive::{DriveError, Driver};
use super::{RunnerError, SegmentResult};
use crate::canvas::machine::{Fact, RunMachine};

/// The snapshots of one runner.
#[derive(Clone)]
pub(super) struct Snapshots {
    pub(super) store: Arc<dyn SnapshotStore>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Snapshots {
    /// Saves what a drained run has come to. Durable when it returns.
    async fn save(&self, machine: &RunMachine) -> Result<String, RunnerError> {
        let snapshot = self.describe(machine)?;
        let id = snapshot.snapshot_id.clone();
        self.store.save(snapshot).await?;
        Ok(id)
    }

    /// The envelope of a paused run; `global_state` holds the object of X-82.
    fn describe(&self, machine: &RunMachine) -> Result<PipelineSnapshot, RunnerError> {
        let identity = machine.identity();
        let snapshot_id = id::generate("snap_", &*self.clock);
        let result = SegmentResult::of(machine);
        let mut state = machine.view();
        let own = [
            ("segment", machine.plan().definition().to_value()?),
            ("run_config", serde_json::to_value(machine.settings())?),
            ("instance_id", json!(identity.instance_id.as_str())),
        ];
        state.extend(own.into_iter().map(|(key, value)| (key.to_owned(), value)));
        let completed = state
            .get("completed_steps")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        Ok(PipelineSnapshot {
            snapshot_type: SnapshotType::Pause,
            phase: PipelinePhase::Paused,
            definition_hash: Some(machine.plan().digest().to_owned()),
            global_state: state,
            completed_steps: completed
                .iter()
                .filter_map(|it| it.as_str().map(str::to_owned))
                .collect(),
            current_step: result.current_step.unwrap_or_default(),
            pending_approvals: machine.open_requests(),
            started_at: Some(machine.started_at()),
            paused_at: Some(self.clock.now()),
            ..PipelineSnapshot::new(
                snapshot_id,
                identity.segment_id.to_string(),
                machine.plan().definition().version.clone(),
                identity.run_id.clone(),
                identity.tenant_id.clone(),
                self.clock.now(),
            )
        })
    }

    /// Marks a snapshot as used. A failure is logged: the journal already says that the run went on.
    pub(super) async fn consume(&self, tenant: &TenantId, snapshot_id: &str) {
        if let Err(error) = self.store.consume(tenant, snapshot_id).await {
            tracing::warn!(%error, snapshot_id, "a snapshot could not be marked as used");
        }
    }
}

impl Driver {
    /// The run has drained: it is paused, or goes on if its snapshot cannot be saved.
    pub(super) async fn snapshot(&mut self) -> Result<(), DriveError> {
        match self.parts.snapshots.save(&self.machine).await {
            Ok(snapshot_id) => self.fold(Fact::Paused { snapshot_id }),
            Err(error) => {
                tracing::warn!(%error, "the snapshot could not be saved; the run goes on");
                let text = error.to_string();
                self.refuse_pause(&text);
                self.fold(Fact::Continued)
            }
        }
    }
}
