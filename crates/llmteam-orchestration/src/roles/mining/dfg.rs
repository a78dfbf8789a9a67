//! Which activity followed which: directly, and eventually.
//!
//! Invariant: counts are of activity instances, so a start and its completion count once. This is a relation, not a
//! model: it says nothing of choice or concurrency.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{log::EventLog, pairs::Pairs, variants::ActivityIndex};

/// The directly-follows graph of a log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dfg {
    /// How often the second activity directly followed the first.
    pub edges: Pairs<u64>,
    /// How many cases begin with an activity.
    pub starts: BTreeMap<Box<str>, u64>,
    /// How many cases end with one.
    pub ends: BTreeMap<Box<str>, u64>,
}

/// The most activities for which pairs are counted in a square of counters (16 MiB).
const SQUARE: usize = 1024;

/// Counts which activity directly followed which.
pub fn discover_dfg(log: &EventLog) -> Dfg {
    let activities = log.activities();
    let mut starts = vec![0; activities.len()];
    let mut ends = vec![0; activities.len()];
    let column = log.activity_column();
    for rows in log.cases().filter(|it| !it.is_empty()) {
        starts[usize::from(column[rows.start])] += 1;
        ends[usize::from(column[rows.end - 1])] += 1;
    }
    Dfg {
        edges: Pairs::new(activities, count_adjacent(log)),
        starts: by_name(activities, &starts),
        ends: by_name(activities, &ends),
    }
}

fn by_name(names: &[Box<str>], counts: &[u64]) -> BTreeMap<Box<str>, u64> {
    let counted = names.iter().zip(counts).filter(|(_, count)| **count > 0);
    counted
        .map(|(name, count)| (name.clone(), *count))
        .collect()
}

fn count_adjacent(log: &EventLog) -> Vec<((usize, usize), u64)> {
    let (activities, column) = (log.activities().len(), log.activity_column());
    if activities <= SQUARE {
        let counts = square(activities, column, log.case_ends());
        return pairs_of(activities, &counts).collect();
    }
    let mut counts: hashbrown::HashMap<(ActivityIndex, ActivityIndex), u64> =
        hashbrown::HashMap::new();
    for rows in log.cases() {
        for pair in column[rows].windows(2) {
            *counts.entry((pair[0], pair[1])).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .map(|((from, to), count)| ((from.into(), to.into()), count))
        .collect()
}

/// The pairs that were counted in a square with sides of `side`.
fn pairs_of(side: usize, counts: &[u64]) -> impl Iterator<Item = ((usize, usize), u64)> {
    let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counted.map(move |(place, count)| ((place / side, place % side), *count))
}

/// Counts all neighbours of the column as if it were one case, then takes back those across the ends of cases: the
/// long loop has no branch, and its two sets of counters keep one addition from waiting for the last.
fn square(side: usize, column: &[ActivityIndex], case_ends: &[u32]) -> Vec<u64> {
    let mut even = vec![0_u64; side * side];
    let mut odd = even.clone();
    let mut places = column.iter().map(|it| usize::from(*it));
    let Some(mut last) = places.next() else {
        return even;
    };
    let mut chunks = column[1..].chunks_exact(2);
    for pair in &mut chunks {
        let (first, second) = (usize::from(pair[0]), usize::from(pair[1]));
        even[last * side + first] += 1;
        odd[first * side + second] += 1;
        last = second;
    }
    for it in chunks.remainder() {
        even[last * side + usize::from(*it)] += 1;
    }
    for (even, odd) in even.iter_mut().zip(&odd) {
        *even += odd;
    }
    let mut taken = 0;
    for end in case_ends.iter().map(|it| *it as usize) {
        // Empty cases end where the one before did.
        if end > taken && end < column.len() {
            even[usize::from(column[end - 1]) * side + usize::from(column[end])] -= 1;
        }
        taken = end;
    }
    even
}

/// Counts, over all pairs of instances of a case, how often one activity came after another: `(a, b)` counts when the
/// instance of `b` stands later and started when that of `a` had completed.
pub fn discover_eventually_follows_graph(log: &EventLog) -> Pairs<u64> {
    let side = log.activities().len();
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut done = super::performance::Done::new(side);
    for rows in log.cases() {
        done.each(log, rows, |before, to, _| {
            *counts.entry((before.activity, to)).or_default() += before.count;
        });
    }
    Pairs::new(log.activities(), counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{fixtures, log::LogOptions},
        *,
    };

    fn listed(pairs: &Pairs<u64>) -> Vec<String> {
        pairs
            .iter()
            .map(|(from, to, count)| format!("{from}{to} {count}"))
            .collect()
    }

    // covers: M1
    #[test]
    fn the_graphs_of_l_are_those_of_the_oracle() {
        let log = fixtures::l();
        let dfg = discover_dfg(&log);
        assert_eq!(
            listed(&dfg.edges),
            [
                "ab 3", "ac 1", "ae 1", "bb 1", "bc 2", "bd 2", "cb 1", "cd 2", "ed 1"
            ]
        );
        assert_eq!(dfg.starts, BTreeMap::from([("a".into(), 5)]));
        assert_eq!(dfg.ends, BTreeMap::from([("d".into(), 5)]));
        let efg = discover_eventually_follows_graph(&log);
        let expected = [
            "ab 5", "ac 3", "ad 5", "ae 1", "bb 1", "bc 2", "bd 5", "cb 1", "cd 3", "ed 1",
        ];
        assert_eq!(listed(&efg), expected);
    }

    #[test]
    fn an_instance_that_began_before_another_completed_does_not_follow_it() {
        let log = fixtures::log(&[(
            "1",
            &[("a", 0, 10, "r"), ("b", 5, 20, "r"), ("c", 10, 12, "r")],
        )]);
        assert_eq!(listed(&discover_dfg(&log).edges), ["ab 1", "bc 1"]);
        assert_eq!(listed(&discover_eventually_follows_graph(&log)), ["ac 1"]);
    }

    #[test]
    fn a_log_without_instances_has_no_edges() {
        let none = EventLog::default();
        assert_eq!(discover_dfg(&none), Dfg::default());
        assert!(discover_eventually_follows_graph(&none).is_empty());
        let log = EventLog::from_events(&[], LogOptions::default()).unwrap();
        assert_eq!(discover_dfg(&log), Dfg::default());
    }

    #[test]
    fn many_activities_are_counted_like_few() {
        let names: Vec<String> = (0..SQUARE + 1).map(|it| format!("a{it:04}")).collect();
        let case: Vec<_> = (0..)
            .zip(&names)
            .map(|(at, name)| (&**name, at, at, "r"))
            .collect();
        let dfg = discover_dfg(&fixtures::log(&[("1", &case), ("2", &case[..2])]));
        assert_eq!(dfg.edges.len(), SQUARE);
        assert_eq!(dfg.edges.get("a0000", "a0001"), Some(&2));
    }

    proptest! {
        #[test]
        fn the_square_counts_what_a_plain_loop_counts(cases in prop::collection::vec(prop::collection::vec(0..4_u16, 0..9), 0..9)) {
            let mut plain = vec![0; 16];
            for pair in cases.iter().flat_map(|it| it.windows(2)) {
                plain[usize::from(pair[0] * 4 + pair[1])] += 1;
            }
            let ends = cases.iter().scan(0, |end, it| { *end += it.len() as u32; Some(*end) });
            let ends: Vec<u32> = ends.collect();
            prop_assert_eq!(square(4, &cases.concat(), &ends), plain);
        }
    }
}
