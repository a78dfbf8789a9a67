//! What a host does to runs that exist: cancel, pause, ask (N-03).

use llmteam_security::id::{RunId, TenantId};
use llmteam_workflow::persistence::RunState;
use tokio::sync::oneshot;

use super::mailbox::Control;
use super::{RunnerError, SegmentRunner, SegmentStatus};

impl SegmentRunner {
    /// Cancels a run, live or not. False: unknown or over.
    ///
    /// Returns once the run's handlers are gone, at once with `force`.
    ///
    /// # Errors
    /// The journal could not be read or written.
    pub async fn cancel(
        &self,
        tenant: &TenantId,
        run_id: &RunId,
        reason: &str,
        force: bool,
    ) -> Result<bool, RunnerError> {
        let (reply, cancelled) = oneshot::channel();
        let control = Control::Cancel {
            reason: reason.to_owned(),
            force,
            reply,
        };
        if self.0.live.send(&(tenant.clone(), run_id.clone()), control)
            && let Ok(cancelled) = cancelled.await
        {
            return Ok(cancelled);
        }
        self.cancel_stored(tenant, run_id, reason).await
    }

    /// Pauses a run. The snapshot's id, or none if the run ended first. A paused run answers its snapshot.
    ///
    /// # Errors
    /// The run is unknown, runs in another process, or its snapshot could not be saved.
    pub async fn pause(
        &self,
        tenant: &TenantId,
        run_id: &RunId,
    ) -> Result<Option<String>, RunnerError> {
        let (reply, paused) = oneshot::channel();
        if self
            .0
            .live
            .send(&(tenant.clone(), run_id.clone()), Control::Pause(reply))
            && let Ok(paused) = paused.await
        {
            return paused;
        }
        self.pause_stored(tenant, run_id).await
    }

    /// What a run that this process runs or has paused is doing; none for any other.
    pub fn get_status(&self, tenant: &TenantId, run_id: &RunId) -> Option<SegmentStatus> {
        self.0.live.status(&(tenant.clone(), run_id.clone()))
    }

    /// Whether this process runs it.
    pub fn is_running(&self, tenant: &TenantId, run_id: &RunId) -> bool {
        self.get_status(tenant, run_id)
            .is_some_and(|status| status != RunState::Paused)
    }

    /// Whether this process has paused it.
    pub fn is_paused(&self, tenant: &TenantId, run_id: &RunId) -> bool {
        self.get_status(tenant, run_id) == Some(RunState::Paused)
    }

    /// Runs of the tenant that this process runs.
    pub fn list_running(&self, tenant: &TenantId) -> Vec<RunId> {
        self.0.live.list(tenant, false)
    }

    /// Runs of the tenant that this process has paused.
    pub fn list_paused(&self, tenant: &TenantId) -> Vec<RunId> {
        self.0.live.list(tenant, true)
    }
}
