//! What directly followed what in the variants of a log, by index.
//!
//! Invariant: a variant counts for all its cases, and everything is sorted by index. This is the relation that discovery works
//! on; [`discover_dfg`](super::discover_dfg) gives it by name, for people.

use std::collections::BTreeMap;

use super::variants::{ActivityIndex, Variants};

/// Counts of activities and of neighbours, over all cases. Nothing has the count 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectlyFollows {
    /// How often an activity occurs.
    pub activities: BTreeMap<ActivityIndex, u64>,
    /// How often the second activity directly followed the first.
    pub edges: BTreeMap<(ActivityIndex, ActivityIndex), u64>,
    /// How many cases begin with an activity.
    pub starts: BTreeMap<ActivityIndex, u64>,
    /// How many cases end with one.
    pub ends: BTreeMap<ActivityIndex, u64>,
}

impl Variants {
    /// Counts what directly followed what.
    pub fn directly_follows(&self) -> DirectlyFollows {
        DirectlyFollows::count(self.iter().map(|it| (&*it.activities, it.cases)))
    }
}

impl DirectlyFollows {
    /// Counts in sequences, each with how many cases took it.
    pub(crate) fn count<'a>(
        sequences: impl IntoIterator<Item = (&'a [ActivityIndex], u64)>,
    ) -> Self {
        let mut found = Self::default();
        for (sequence, cases) in sequences {
            for activity in sequence {
                *found.activities.entry(*activity).or_default() += cases;
            }
            for pair in sequence.windows(2) {
                *found.edges.entry((pair[0], pair[1])).or_default() += cases;
            }
            if let (Some(first), Some(last)) = (sequence.first(), sequence.last()) {
                *found.starts.entry(*first).or_default() += cases;
                *found.ends.entry(*last).or_default() += cases;
            }
        }
        found
    }

    /// How often the second activity directly followed the first.
    pub fn edge(&self, from: ActivityIndex, to: ActivityIndex) -> u64 {
        self.edges.get(&(from, to)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use crate::roles::mining::{discover_dfg, fixtures, get_variants};

    #[test]
    fn the_counts_are_those_of_the_log() {
        let log = fixtures::l();
        let variants = get_variants(&log);
        let follows = variants.directly_follows();
        let dfg = discover_dfg(&log);
        assert_eq!(follows.edges.len(), dfg.edges.len());
        for ((from, to), count) in &follows.edges {
            let named = dfg.edges.get(variants.name(*from), variants.name(*to));
            assert_eq!(named, Some(count));
        }
        let b = (0..).find(|it| variants.name(*it) == "b").unwrap();
        assert_eq!((follows.activities[&b], follows.edge(b, b)), (5, 1));
        assert_eq!(follows.starts.values().sum::<u64>(), 5);
        assert_eq!(follows.ends.len(), 1);
    }
}
