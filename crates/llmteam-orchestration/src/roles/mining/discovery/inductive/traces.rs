//! The part of a log that a node of the tree is mined from.
//!
//! Invariant: traces are sorted and distinct, each with how many cases took it, at least 1.

use std::collections::{BTreeMap, BTreeSet};

use crate::roles::mining::{ActivityIndex, follows::DirectlyFollows};

/// A multiset of sequences of activities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Traces(BTreeMap<Vec<ActivityIndex>, u64>);

/// Some activities.
pub(super) type Group = BTreeSet<ActivityIndex>;

impl FromIterator<(Vec<ActivityIndex>, u64)> for Traces {
    fn from_iter<I: IntoIterator<Item = (Vec<ActivityIndex>, u64)>>(traces: I) -> Self {
        let mut all = Self::default();
        for (trace, cases) in traces {
            all.add(trace, cases);
        }
        all
    }
}

impl Traces {
    pub(super) fn add(&mut self, trace: Vec<ActivityIndex>, cases: u64) {
        *self.0.entry(trace).or_default() += cases;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[ActivityIndex], u64)> {
        self.0.iter().map(|(trace, cases)| (&**trace, *cases))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn cases(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many cases have no event, and the others.
    pub(super) fn part_empty(mut self) -> (u64, Self) {
        let empty = self.0.remove(&[][..]).unwrap_or(0);
        (empty, self)
    }

    /// The activity that every case consists of, if there is one.
    pub(super) fn only_activity(&self) -> Option<ActivityIndex> {
        let mut traces = self.0.keys();
        match (traces.next().map(Vec::as_slice), traces.next()) {
            (Some([activity]), None) => Some(*activity),
            _ => None,
        }
    }

    pub(super) fn directly_follows(&self) -> DirectlyFollows {
        DirectlyFollows::count(self.iter())
    }

    /// The traces with the activities that are kept.
    pub(super) fn project(&self, keep: impl Fn(ActivityIndex) -> bool) -> Self {
        let traces = self.iter().map(|(trace, cases)| {
            let kept = trace.iter().copied().filter(|it| keep(*it));
            (kept.collect(), cases)
        });
        traces.collect()
    }

    /// The pieces of the traces, cut before each place that `before` names, given what stands around it.
    pub(super) fn cut_up(&self, before: impl Fn(ActivityIndex, ActivityIndex) -> bool) -> Self {
        let mut pieces = Self::default();
        for (trace, cases) in self.iter() {
            for piece in trace.chunk_by(|a, b| !before(*a, *b)) {
                pieces.add(piece.to_vec(), cases);
            }
        }
        pieces
    }
}
