//! Wakes those of this process who wait for a run's requests to change.
//!
//! Invariant: who has subscribed before a change is woken by it. It carries no data: the store has it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use llmteam_security::id::{RunId, TenantId};
use tokio::sync::watch;

/// The change feed of one store.
#[derive(Debug, Default)]
pub struct Changes {
    all: watch::Sender<()>,
    runs: Mutex<HashMap<(TenantId, RunId), watch::Sender<()>>>,
}

impl Changes {
    /// Woken by every later change to requests of `run`.
    pub fn of_run(&self, tenant: &TenantId, run: &RunId) -> watch::Receiver<()> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.entry((tenant.clone(), run.clone()))
            .or_default()
            .subscribe()
    }

    /// Woken by every later change.
    pub fn of_all(&self) -> watch::Receiver<()> {
        self.all.subscribe()
    }

    /// Wakes who waits for `run`; called when the change is stored.
    pub(super) fn announce(&self, tenant: &TenantId, run: &RunId) {
        self.all.send_replace(());
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), run.clone());
        match runs.get(&key) {
            Some(waiting) if waiting.receiver_count() > 0 => {
                waiting.send_replace(());
            }
            Some(_) => {
                runs.remove(&key);
            }
            None => {}
        }
    }
}
