//! What was done again within a case.
//!
//! Invariant: an activity is listed when some case did it at least twice, and only then.

use std::collections::BTreeMap;

use serde::Serialize;

use super::log::EventLog;

/// How often an activity was repeated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rework {
    /// How many cases did it at least twice.
    pub cases: u64,
    /// Their share of the cases that did it at all.
    pub ratio: f64,
}

/// In how many cases each activity was done more than once.
pub fn get_rework_cases_per_activity(log: &EventLog) -> BTreeMap<Box<str>, Rework> {
    let activities = log.activities().len();
    let (mut once, mut again) = (vec![0_u64; activities], vec![0_u64; activities]);
    let mut done = Occurrences::new(activities);
    for rows in log.cases() {
        done.begin_case();
        for row in rows {
            match done.count(log.activity_column()[row].into()) {
                1 => once[usize::from(log.activity_column()[row])] += 1,
                2 => again[usize::from(log.activity_column()[row])] += 1,
                _ => {}
            }
        }
    }
    let counted = log
        .activities()
        .iter()
        .zip(once.iter().zip(&again))
        .filter(|(_, (_, again))| **again > 0);
    counted
        .map(|(name, (once, again))| {
            (
                name.clone(),
                Rework {
                    cases: *again,
                    ratio: *again as f64 / *once as f64,
                },
            )
        })
        .collect()
}

/// For each activity that was repeated, the least number of instances strictly between two of it in one case.
pub fn get_minimum_self_distance(log: &EventLog) -> BTreeMap<Box<str>, u64> {
    let mut last: Vec<Option<usize>> = vec![None; log.activities().len()];
    let mut least: BTreeMap<Box<str>, u64> = BTreeMap::new();
    for rows in log.cases() {
        let first = rows.start;
        for row in rows {
            let activity = usize::from(log.activity_column()[row]);
            if let Some(before) = last[activity].replace(row).filter(|it| *it >= first) {
                let between = (row - before - 1) as u64;
                let entry = least
                    .entry(log.activities()[activity].clone())
                    .or_insert(between);
                *entry = between.min(*entry);
            }
        }
    }
    least
}

/// How often each activity occurred in the current case; a new case costs nothing.
struct Occurrences {
    case: u64,
    counts: Vec<(u64, u32)>,
}

impl Occurrences {
    fn new(activities: usize) -> Self {
        Self {
            case: 0,
            counts: vec![(0, 0); activities],
        }
    }

    fn begin_case(&mut self) {
        self.case += 1;
    }

    /// How often it has occurred, this time included.
    fn count(&mut self, activity: usize) -> u32 {
        let (case, count) = &mut self.counts[activity];
        *count = if *case == self.case {
            count.saturating_add(1)
        } else {
            1
        };
        *case = self.case;
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fixtures, *};

    #[test]
    fn the_rework_of_l_is_that_of_the_definition() {
        let log = fixtures::l();
        let rework = get_rework_cases_per_activity(&log);
        assert_eq!(
            rework,
            BTreeMap::from([(
                "b".into(),
                Rework {
                    cases: 1,
                    ratio: 0.25
                }
            )])
        );
        assert_eq!(
            get_minimum_self_distance(&log),
            BTreeMap::from([("b".into(), 0)])
        );
    }

    #[test]
    fn repeats_are_counted_within_a_case_only() {
        let log = fixtures::log(&[
            (
                "1",
                &[
                    ("a", 0, 0, "r"),
                    ("b", 1, 1, "r"),
                    ("a", 2, 2, "r"),
                    ("a", 3, 3, "r"),
                ],
            ),
            ("2", &[("a", 0, 0, "r"), ("b", 1, 1, "r")]),
            (
                "3",
                &[
                    ("b", 0, 0, "r"),
                    ("c", 1, 1, "r"),
                    ("c2", 2, 2, "r"),
                    ("b", 3, 3, "r"),
                ],
            ),
        ]);
        let rework = get_rework_cases_per_activity(&log);
        assert_eq!(rework.len(), 2);
        assert_eq!(
            rework["a"],
            Rework {
                cases: 1,
                ratio: 0.5
            }
        );
        assert_eq!(
            get_minimum_self_distance(&log),
            BTreeMap::from([("a".into(), 0), ("b".into(), 2)])
        );
    }
}
