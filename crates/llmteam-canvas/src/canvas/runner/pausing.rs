//! Snapshots of paused runs and who may resume from one.

use std::sync::Arc;

use llmteam_security::clock::Clock;
use llmteam_security::id::{self, TenantId};
use llmteam_workflow::persistence::{PipelinePhase, PipelineSnapshot, SnapshotStore, SnapshotType};
use serde_json::{Value, json};

use super::drive::{DriveError, Driver};
use super::{RunnerError, SegmentResult};
use crate::canvas::machine::{Fact, RunMachine, RunPhase};

/// The snapshots of one runner.
#[derive(Clone)]
pub(super) struct Snapshots {
    pub(super) store: Arc<dyn SnapshotStore>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Snapshots {
    /// Saves what a drained run has come to. Durable when it returns.
    async fn save_pause(&self, machine: &RunMachine) -> Result<String, RunnerError> {
        let id = id::generate("snap_", &*self.clock);
        let snapshot = self.describe(machine, id.clone())?;
        let pause = PipelineSnapshot {
            snapshot_type: SnapshotType::Pause,
            phase: PipelinePhase::Paused,
            paused_at: Some(self.clock.now()),
            ..snapshot
        };
        self.store.save(pause).await?;
        Ok(id)
    }

    /// Saves a recovery snapshot; it replaces the one before it, which has the same id.
    async fn save_recovery(&self, machine: &RunMachine, id: String) -> Result<(), RunnerError> {
        let snapshot = self.describe(machine, id)?;
        let auto = PipelineSnapshot {
            snapshot_type: SnapshotType::Auto,
            phase: PipelinePhase::Running,
            ..snapshot
        };
        self.store.save(auto).await?;
        Ok(())
    }

    /// The envelope of a run; `global_state` holds the object of X-82.
    fn describe(
        &self,
        machine: &RunMachine,
        snapshot_id: String,
    ) -> Result<PipelineSnapshot, RunnerError> {
        let identity = machine.identity();
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
            definition_hash: Some(machine.plan().digest().to_owned()),
            global_state: state,
            completed_steps: completed
                .iter()
                .filter_map(|it| it.as_str().map(str::to_owned))
                .collect(),
            current_step: result.current_step.unwrap_or_default(),
            pending_approvals: machine.open_requests(),
            started_at: Some(machine.started_at()),
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

    /// Marks a snapshot as used. False: it was already.
    pub(super) async fn consume(
        &self,
        tenant: &TenantId,
        snapshot_id: &str,
    ) -> Result<bool, RunnerError> {
        Ok(self.store.consume(tenant, snapshot_id).await?)
    }
}

impl Driver {
    /// The run has drained: it is paused, or goes on if its snapshot cannot be saved.
    pub(super) async fn snapshot(&mut self) -> Result<(), DriveError> {
        match self.parts.snapshots.save_pause(&self.machine).await {
            Ok(snapshot_id) => self.fold(Fact::Paused { snapshot_id }),
            Err(error) => {
                tracing::warn!(%error, "the snapshot could not be saved; the run goes on");
                let text = error.to_string();
                self.refuse_pause(&text);
                self.fold(Fact::Continued)
            }
        }
    }

    /// After every n-th completion: a recovery snapshot. It shortens nothing that the journal does not say
    /// as well, so a failure is only logged.
    pub(super) async fn snapshot_now_and_then(&mut self) {
        let interval = self.machine.settings().snapshot_interval;
        let over = matches!(
            self.machine.phase(),
            RunPhase::Ended(_) | RunPhase::Paused { .. }
        );
        if interval == 0 || over || self.since_snapshot < interval {
            return;
        }
        self.since_snapshot %= interval;
        let id = self
            .recovery_snapshot
            .get_or_insert_with(|| id::generate("snap_", &*self.parts.clock))
            .clone();
        if let Err(error) = self.parts.snapshots.save_recovery(&self.machine, id).await {
            tracing::warn!(%error, "a recovery snapshot could not be saved");
        }
    }
}
