//! Counts that go on when the events they counted are gone.
//!
//! Invariant: the counts are those of all completions since the last reset, in the order of recording, as long as no
//! more cases are alive at once than are followed; a case that is dropped counts as ended. Memory is bounded by the
//! pairs of activities and by the cases that are followed.

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;

use super::super::{
    dfg::Dfg,
    event::{Lifecycle, Outcome, ProcessEvent},
    log::Names,
    pairs::Pairs,
};
use super::metrics::has_word;

/// Totals since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// Events that were recorded.
    pub events: u64,
    /// Completions among them, decisions left out.
    pub completions: u64,
    /// Completions that failed.
    pub errors: u64,
    /// Completions of a second attempt, or a later one.
    pub retries: u64,
}

/// Directly-follows counts, kept while events come.
#[derive(Debug, Default)]
pub(super) struct Streaming {
    totals: StreamTotals,
    names: Names,
    edges: HashMap<(u32, u32), u64>,
    starts: BTreeMap<u32, u64>,
    /// Of cases that are no longer followed.
    ends: BTreeMap<u32, u64>,
    cases: HashMap<Arc<str>, Last>,
    /// The cases by their last completion, oldest first.
    ages: BTreeMap<u64, Arc<str>>,
}

/// The last completion of a case.
#[derive(Debug)]
struct Last {
    activity: u32,
    age: u64,
}

impl Streaming {
    /// Counts an event; follows at most `most` cases.
    pub(super) fn record(&mut self, event: &ProcessEvent, case: &Arc<str>, most: usize) {
        self.totals.events += 1;
        if event.is_decision() || event.lifecycle != Lifecycle::Complete {
            return;
        }
        self.totals.completions += 1;
        let failed = event.outcome.map_or_else(
            || has_word(&event.activity, "error"),
            |it| it == Outcome::Failed,
        );
        let again = event
            .attempt
            .map_or_else(|| has_word(&event.activity, "retry"), |it| it.get() > 1);
        self.totals.errors += u64::from(failed);
        self.totals.retries += u64::from(again);
        let Some(activity) = self.names.number(&event.activity) else {
            return;
        };
        let age = self.totals.completions;
        match self.cases.get_mut(case) {
            Some(last) => {
                *self.edges.entry((last.activity, activity)).or_default() += 1;
                self.ages.remove(&last.age);
                *last = Last { activity, age };
            }
            None => {
                *self.starts.entry(activity).or_default() += 1;
                self.cases.insert(Arc::clone(case), Last { activity, age });
            }
        }
        self.ages.insert(age, Arc::clone(case));
        while self.cases.len() > most.max(1) {
            let Some(last) = self
                .ages
                .pop_first()
                .and_then(|(_, oldest)| self.cases.remove(&oldest))
            else {
                return;
            };
            *self.ends.entry(last.activity).or_default() += 1;
        }
    }

    /// Whether the activity was counted, or can be: their names are bounded as in a log.
    pub(super) fn has_room_for(&self, activity: &str) -> bool {
        self.names.len() <= usize::from(u16::MAX) || self.names.find(activity).is_some()
    }

    pub(super) fn totals(&self) -> StreamTotals {
        self.totals
    }

    pub(super) fn dfg(&self) -> Dfg {
        let names: Vec<Box<str>> = (0..self.names.len() as u32)
            .map(|it| self.names.text(it).into())
            .collect();
        let named = |counts: &BTreeMap<u32, u64>| {
            counts
                .iter()
                .map(|(it, count)| (names[*it as usize].clone(), *count))
                .collect()
        };
        let mut ends = self.ends.clone();
        for last in self.cases.values() {
            *ends.entry(last.activity).or_default() += 1;
        }
        let edges = self
            .edges
            .iter()
            .map(|((from, to), count)| ((*from as usize, *to as usize), *count));
        Dfg {
            edges: Pairs::new(&names, edges),
            starts: named(&self.starts),
            ends: named(&ends),
        }
    }
}
