//! Runs that this process is running or has paused, and the way to reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llmteam_security::id::{RunId, TenantId};

use super::SegmentStatus;
use super::mailbox::{Control, Inbox, Mailbox};

type Key = (TenantId, RunId);

/// The table of live and paused runs.
#[derive(Debug, Default)]
pub(super) struct LiveRuns {
    runs: Mutex<HashMap<Key, Entry>>,
}

#[derive(Debug)]
enum Entry {
    Live(Arc<Mailbox>),
    Paused,
}

impl Entry {
    fn status(&self) -> SegmentStatus {
        match self {
            Self::Live(run) => run.status(),
            Self::Paused => SegmentStatus::Paused,
        }
    }
}

impl LiveRuns {
    /// Enters a run. None: the id is live already.
    pub(super) fn enter(&self, key: &Key) -> Option<Inbox> {
        let mut runs = self.lock();
        if let Some(Entry::Live(_)) = runs.get(key) {
            return None;
        }
        let mailbox = Arc::<Mailbox>::default();
        runs.insert(key.clone(), Entry::Live(Arc::clone(&mailbox)));
        Some(Inbox::new(mailbox))
    }

    /// The run's task is over: a paused run stays listed, any other is forgotten.
    pub(super) fn leave(&self, key: &Key, status: Option<SegmentStatus>) {
        let mut runs = self.lock();
        match status {
            Some(SegmentStatus::Paused) => runs.insert(key.clone(), Entry::Paused),
            _ => runs.remove(key),
        };
    }

    /// Sends to a live run. False: there is none.
    pub(super) fn send(&self, key: &Key, control: Control) -> bool {
        match self.lock().get(key) {
            Some(Entry::Live(run)) => run.control(control),
            _ => false,
        }
    }

    /// The status of a live or paused run.
    pub(super) fn status(&self, key: &Key) -> Option<SegmentStatus> {
        self.lock().get(key).map(Entry::status)
    }

    /// Ids of a tenant's runs that are paused, or that are not.
    pub(super) fn list(&self, tenant: &TenantId, paused: bool) -> Vec<RunId> {
        let runs = self.lock();
        let of_tenant = runs.iter().filter(|((owner, _), _)| owner == tenant);
        let mut ids: Vec<RunId> = of_tenant
            .filter(|(_, it)| (it.status() == SegmentStatus::Paused) == paused)
            .map(|((_, run), _)| run.clone())
            .collect();
        ids.sort();
        ids
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
