//! What was decided in the latest runs that are over.
//!
//! Invariant: an entry belongs to one attempt of one run and is found under no other; entries per run and runs are
//! bounded, the oldest leave first. What is handed out is a copy.
//! This file does not know what an entry says.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::super::{
    run::RunPath,
    strategy::{ExecutionRecord, HistoryEntry},
};

/// The histories of one pipeline.
#[derive(Debug)]
pub(super) struct Histories {
    entries: usize,
    runs: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    histories: BTreeMap<RunPath, VecDeque<HistoryEntry>>,
    /// The same runs, oldest first.
    order: VecDeque<RunPath>,
}

impl Histories {
    pub(super) fn new(entries: usize, runs: usize) -> Self {
        Self {
            entries,
            runs,
            kept: Mutex::default(),
        }
    }

    /// The history of an attempt that begins; it is kept when it is dropped.
    pub(super) fn begin(&self, run: RunPath) -> Writing<'_> {
        Writing {
            histories: self,
            run,
            entries: VecDeque::new(),
        }
    }

    fn keep(&self, run: RunPath, entries: VecDeque<HistoryEntry>) {
        let mut kept = self.lock();
        if kept.histories.insert(run.clone(), entries).is_none() {
            kept.order.push_back(run);
        }
        while kept.order.len() > self.runs {
            if let Some(oldest) = kept.order.pop_front() {
                kept.histories.remove(&oldest);
            }
        }
    }

    pub(super) fn of(&self, run: &RunPath) -> Vec<HistoryEntry> {
        let kept = self.lock();
        let history = kept.histories.get(run).into_iter().flatten();
        history.cloned().collect()
    }

    pub(super) fn runs(&self) -> Vec<RunPath> {
        self.lock().order.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The history of an attempt that is under way.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    histories: &'a Histories,
    run: RunPath,
    entries: VecDeque<HistoryEntry>,
}

impl Writing<'_> {
    pub(super) fn push(&mut self, entry: HistoryEntry) {
        if self.entries.len() == self.histories.entries {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// What came of the latest decision.
    pub(super) fn executed(&mut self, executions: impl IntoIterator<Item = ExecutionRecord>) {
        if let Some(latest) = self.entries.back_mut() {
            latest.executions.extend(executions);
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.entries.iter()
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.histories.keep(self.run.clone(), entries);
    }
}
