//! Runs that this process is running or has paused, and the way to reach them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use llmteam_security::id::{RunId, TenantId};
use tokio::sync::{mpsc, oneshot};

use super::{RunnerError, SegmentStatus};

/// The answer to a pause: the snapshot, or none if the run ended first.
pub(super) type PauseReply = oneshot::Sender<Result<Option<String>, RunnerError>>;

/// What a host asks of a live run.
#[derive(Debug)]
pub(super) enum Control {
    /// Stop starting steps and save a snapshot.
    Pause(PauseReply),
    /// End the run.
    Cancel {
        /// Why.
        reason: String,
        /// Whether to drop handlers at once.
        force: bool,
        /// Whether the run was cancelled by this.
        reply: oneshot::Sender<bool>,
    },
}

type Key = (TenantId, RunId);

/// The table of live and paused runs.
#[derive(Debug, Default)]
pub(super) struct LiveRuns {
    runs: Mutex<HashMap<Key, Entry>>,
}

#[derive(Debug)]
struct Entry {
    status: SegmentStatus,
    /// None once paused.
    control: Option<mpsc::UnboundedSender<Control>>,
}

impl LiveRuns {
    /// Enters a run. None: the id is live already.
    pub(super) fn enter(&self, key: &Key) -> Option<mpsc::UnboundedReceiver<Control>> {
        let mut runs = self.lock();
        if runs.get(key).is_some_and(|it| it.control.is_some()) {
            return None;
        }
        let (control, receiver) = mpsc::unbounded_channel();
        runs.insert(
            key.clone(),
            Entry {
                status: SegmentStatus::Pending,
                control: Some(control),
            },
        );
        Some(receiver)
    }

    /// Notes what a live run has come to.
    pub(super) fn note(&self, key: &Key, status: SegmentStatus) {
        if let Some(entry) = self.lock().get_mut(key) {
            entry.status = status;
        }
    }

    /// The run's task is over: a paused run stays listed, any other is forgotten.
    pub(super) fn leave(&self, key: &Key, status: Option<SegmentStatus>) {
        let mut runs = self.lock();
        match status {
            Some(SegmentStatus::Paused) => {
                runs.insert(
                    key.clone(),
                    Entry {
                        status: SegmentStatus::Paused,
                        control: None,
                    },
                );
            }
            _ => {
                runs.remove(key);
            }
        }
    }

    /// The run's task is gone without a word.
    pub(super) fn forget_if_live(&self, key: &Key) {
        let mut runs = self.lock();
        if runs.get(key).is_some_and(|it| it.control.is_some()) {
            runs.remove(key);
        }
    }

    /// Sends to a live run. False: there is none.
    pub(super) fn send(&self, key: &Key, control: Control) -> bool {
        let runs = self.lock();
        let Some(sender) = runs.get(key).and_then(|it| it.control.as_ref()) else {
            return false;
        };
        sender.send(control).is_ok()
    }

    /// The status of a live or paused run.
    pub(super) fn status(&self, key: &Key) -> Option<SegmentStatus> {
        self.lock().get(key).map(|it| it.status)
    }

    /// Ids of a tenant's runs that are paused, or that are not.
    pub(super) fn list(&self, tenant: &TenantId, paused: bool) -> Vec<RunId> {
        let runs = self.lock();
        let of_tenant = runs.iter().filter(|((owner, _), _)| owner == tenant);
        let mut ids: Vec<RunId> = of_tenant
            .filter(|(_, it)| (it.status == SegmentStatus::Paused) == paused)
            .map(|((_, run), _)| run.clone())
            .collect();
        ids.sort();
        ids
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
