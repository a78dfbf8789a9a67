//! The variants of a log: the distinct sequences of activities of its cases, and how many cases took each.
//!
//! Invariant: every index of a variant names an activity of [`Variants::activities`]; no two variants are equal;
//! variants and activities stand in the order of their first occurrence.

use std::collections::HashMap;

/// The place of an activity's name in [`Variants::activities`].
pub type ActivityIndex = u16;

/// More distinct activities than an [`ActivityIndex`] can tell apart (65,536).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a log may name at most 65536 distinct activities")]
pub struct TooManyActivities;

/// One distinct sequence of activities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The activities in order.
    pub activities: Box<[ActivityIndex]>,
    /// How many cases took it; at least 1.
    pub cases: u64,
}

/// All variants of a log and the names of its activities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variants {
    activities: Vec<Box<str>>,
    variants: Vec<Variant>,
}

impl Variants {
    /// Counts sequences of activity names, one for each case.
    ///
    /// # Errors
    ///
    /// [`TooManyActivities`].
    pub fn count<'a, S>(cases: impl IntoIterator<Item = S>) -> Result<Self, TooManyActivities>
    where
        S: IntoIterator<Item = &'a str>,
    {
        let mut names: HashMap<&'a str, ActivityIndex> = HashMap::new();
        let mut activities = Vec::new();
        let mut places: HashMap<Box<[ActivityIndex]>, usize> = HashMap::new();
        let mut variants: Vec<Variant> = Vec::new();
        for case in cases {
            let mut sequence = Vec::new();
            for name in case {
                let index = match names.get(name) {
                    Some(index) => *index,
                    None => {
                        let index = ActivityIndex::try_from(activities.len())
                            .map_err(|_| TooManyActivities)?;
                        activities.push(Box::from(name));
                        names.insert(name, index);
                        index
                    }
                };
                sequence.push(index);
            }
            let sequence: Box<[ActivityIndex]> = sequence.into();
            match places.get(&sequence) {
                Some(place) => variants[*place].cases += 1,
                None => {
                    places.insert(sequence.clone(), variants.len());
                    variants.push(Variant {
                        activities: sequence,
                        cases: 1,
                    });
                }
            }
        }
        Ok(Self {
            activities,
            variants,
        })
    }

    /// Variants that were counted elsewhere, by the rules of this type.
    pub(super) fn of_counted(activities: Vec<Box<str>>, variants: Vec<Variant>) -> Self {
        Self {
            activities,
            variants,
        }
    }

    /// The share of the cases that took a variant; 0 when there are none.
    pub fn share(&self, variant: &Variant) -> f64 {
        match self.cases() {
            0 => 0.0,
            cases => variant.cases as f64 / cases as f64,
        }
    }

    /// The names of the activities, by index.
    pub fn activities(&self) -> &[Box<str>] {
        &self.activities
    }

    /// The name of one activity.
    ///
    /// # Panics
    ///
    /// The index is of another log.
    pub fn name(&self, activity: ActivityIndex) -> &str {
        &self.activities[usize::from(activity)]
    }

    /// The variants in the order of their first case.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Variant> {
        self.variants.iter()
    }

    /// How many cases there are.
    pub fn cases(&self) -> u64 {
        self.variants.iter().map(|variant| variant.cases).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sequences_are_counted_once() {
        let log = Variants::count([vec!["a", "b"], vec!["b"], vec!["a", "b"], vec![]]).unwrap();
        let found: Vec<_> = log
            .iter()
            .map(|variant| {
                let names: Vec<_> = variant.activities.iter().map(|it| log.name(*it)).collect();
                (names, variant.cases)
            })
            .collect();
        assert_eq!(found, [(vec!["a", "b"], 2), (vec!["b"], 1), (vec![], 1)]);
        assert_eq!(log.cases(), 4);
    }
}
