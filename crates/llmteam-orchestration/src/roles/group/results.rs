//! What earlier runs of a group returned.
//!
//! Invariant: of each run the latest attempt is kept, of so many runs and no more; the oldest leave first.
//! This module does not know how results are combined.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use llmteam_security::RunId;

use super::outcome::PipelineOutcome;

/// The results of one group.
#[derive(Debug)]
pub(super) struct Results {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    outcomes: BTreeMap<RunId, Vec<PipelineOutcome>>,
    /// The same runs, oldest first.
    order: VecDeque<RunId>,
}

impl Results {
    pub(super) fn new(most: usize) -> Self {
        let kept = Mutex::default();
        Self { most, kept }
    }

    pub(super) fn keep(&self, run: &RunId, outcomes: &[PipelineOutcome]) {
        let mut kept = self.lock();
        if kept
            .outcomes
            .insert(run.clone(), outcomes.to_vec())
            .is_some()
        {
            kept.order.retain(|it| it != run);
        }
        kept.order.push_back(run.clone());
        while kept.order.len() > self.most {
            if let Some(oldest) = kept.order.pop_front() {
                kept.outcomes.remove(&oldest);
            }
        }
    }

    pub(super) fn of(&self, run: &RunId) -> Option<Vec<PipelineOutcome>> {
        self.lock().outcomes.get(run).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
