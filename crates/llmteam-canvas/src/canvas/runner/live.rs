//! Runs that this process is running or has paused, and the way to reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llmteam_security::id::{RunId, TenantId};

use super::SegmentStatus;
use super::mailbox::{Control, Inbox, Mailbox};

type Key = (TenantId, RunId);

/// Parts of the table, each under a lock of its own: runs that begin and end at once seldom wait for each other.
const PARTS: usize = 16;

/// The table of live and paused runs.
#[derive(Debug, Default)]
pub(super) struct LiveRuns {
    parts: [Mutex<Part>; PARTS],
}

type Part = HashMap<Key, Entry>;

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

    fn is_paused(&self) -> bool {
        self.status() == SegmentStatus::Paused
    }
}

impl LiveRuns {
    /// Enters a run. None: the id is live already.
    pub(super) fn enter(&self, key: &Key) -> Option<Inbox> {
        let mut runs = self.part(key);
        if let Some(Entry::Live(_)) = runs.get(key) {
            return None;
        }
        let mailbox = Arc::<Mailbox>::default();
        runs.insert(key.clone(), Entry::Live(Arc::clone(&mailbox)));
        Some(Inbox::new(mailbox))
    }

    /// The run's task is over: a paused run stays listed, any other is forgotten.
    pub(super) fn leave(&self, key: &Key, status: Option<SegmentStatus>) {
        let mut runs = self.part(key);
        match status {
            Some(SegmentStatus::Paused) => runs.insert(key.clone(), Entry::Paused),
            _ => runs.remove(key),
        };
    }

    /// Sends to a live run. False: there is none.
    pub(super) fn send(&self, key: &Key, control: Control) -> bool {
        match self.part(key).get(key) {
            Some(Entry::Live(run)) => run.control(control),
            _ => false,
        }
    }

    /// The status of a live or paused run.
    pub(super) fn status(&self, key: &Key) -> Option<SegmentStatus> {
        self.part(key).get(key).map(Entry::status)
    }

    /// Ids of a tenant's runs that are paused, or that are not.
    pub(super) fn list(&self, tenant: &TenantId, paused: bool) -> Vec<RunId> {
        let mut ids = Vec::new();
        for part in &self.parts {
            let runs = lock(part);
            let of_tenant = runs.iter().filter(|((owner, _), _)| owner == tenant);
            let listed = of_tenant.filter(|(_, it)| it.is_paused() == paused);
            ids.extend(listed.map(|((_, run), _)| run.clone()));
        }
        ids.sort();
        ids
    }

    /// The part that a run belongs to; generated ids are random at their end.
    fn part(&self, (_, run): &Key) -> MutexGuard<'_, Part> {
        let last = run.as_str().bytes().last().unwrap_or_default();
        lock(&self.parts[usize::from(last) % PARTS])
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
