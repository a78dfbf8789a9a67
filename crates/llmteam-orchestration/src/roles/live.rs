//! Which runs are under way, and which ran before.
//!
//! Invariant: of one run at most one attempt is under way; it is given free on every way out, by dropping its guard. Each
//! attempt has the next number, as long as the run is remembered.
//! This file does not know what a run does.

use std::{
    collections::{BTreeMap, VecDeque, btree_map},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{run::RunPath, strategy::Step};

/// How far a run is: 0 to 1, and where it stands.
type Progress = (f64, Step);

/// The runs of one pipeline or group.
#[derive(Debug)]
pub(super) struct LiveRuns {
    remembered: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    live: BTreeMap<RunPath, Progress>,
    /// How many attempts each remembered run has had.
    attempts: BTreeMap<RunPath, u32>,
    /// The remembered runs, in the order of their first attempt.
    order: VecDeque<RunPath>,
}

impl LiveRuns {
    pub(super) fn new(remembered: usize) -> Self {
        Self {
            remembered,
            table: Mutex::default(),
        }
    }

    /// Begins an attempt of `run`; `None` while one is under way.
    pub(super) fn begin(&self, run: &RunPath) -> Option<LiveRun<'_>> {
        let first = run.clone().at_attempt(1);
        let mut table = self.lock();
        match table.live.entry(first.clone()) {
            btree_map::Entry::Occupied(_) => return None,
            btree_map::Entry::Vacant(free) => free.insert((0.0, Step::Start)),
        };
        let attempt = table.attempts.entry(first.clone()).or_default();
        *attempt = attempt.saturating_add(1);
        let attempt = *attempt;
        if attempt == 1 {
            table.order.push_back(first.clone());
        }
        table.forget(self.remembered);
        let path = first.clone().at_attempt(attempt);
        Some(LiveRun {
            runs: self,
            first,
            path,
        })
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.lock().live.len()
    }

    /// The progress of the run that is least far; of several the first by name.
    pub(super) fn least_progress(&self) -> Option<Progress> {
        let table = self.lock();
        let least = table.live.values().min_by(|a, b| a.0.total_cmp(&b.0));
        least.cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets the oldest runs over `most`, but none that is under way.
    fn forget(&mut self, most: usize) {
        for _ in 0..self.order.len().saturating_sub(most) {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if self.live.contains_key(&oldest) {
                self.order.push_back(oldest);
            } else {
                self.attempts.remove(&oldest);
            }
        }
    }
}

/// An attempt that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct LiveRun<'a> {
    runs: &'a LiveRuns,
    first: RunPath,
    path: RunPath,
}

impl LiveRun<'_> {
    /// The run with the number of its attempt.
    pub(super) fn path(&self) -> &RunPath {
        &self.path
    }

    /// The run is this far, and stands there.
    pub(super) fn report(&self, progress: f64, step: Step) {
        if let Some(reported) = self.runs.lock().live.get_mut(&self.first) {
            *reported = (progress, step);
        }
    }
}

impl Drop for LiveRun<'_> {
    fn drop(&mut self) {
        self.runs.lock().live.remove(&self.first);
    }
}

#[cfg(test)]
mod tests {
    use llmteam_security::RunId;

    use super::*;

    fn path(text: &str) -> RunPath {
        RunPath::from(text.parse::<RunId>().unwrap())
    }

    // covers: O17
    #[test]
    fn one_attempt_at_a_time_and_each_with_its_number() {
        let runs = LiveRuns::new(10);
        let first = runs.begin(&path("r")).unwrap();
        assert_eq!(first.path().to_string(), "r");
        assert!(runs.begin(&path("r")).is_none());
        drop(first);
        let second = runs.begin(&path("r")).unwrap();
        assert_eq!(second.path().to_string(), "r#2");
        assert!(runs.begin(&path("r").at_attempt(2)).is_none());
        assert_eq!(runs.count(), 1);
    }

    #[test]
    fn only_so_many_are_remembered_and_none_that_runs_is_forgotten() {
        let runs = LiveRuns::new(2);
        let live = runs.begin(&path("live")).unwrap();
        for n in 0..50 {
            drop(runs.begin(&path(&format!("r{n}"))).unwrap());
        }
        assert!(runs.lock().attempts.len() <= 3);
        drop(live);
        assert_eq!(runs.begin(&path("live")).unwrap().path().attempt(), 2);
    }
}
