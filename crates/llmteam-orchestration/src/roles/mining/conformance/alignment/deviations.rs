//! What the cases of a log did otherwise than the model, and where.

use std::collections::BTreeMap;

use super::{AlignmentFitness, Move};
use crate::roles::mining::{PetriNet, Variants};

/// In which way a case deviates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviationKind {
    /// It happened, and the model has no place for it.
    Unexpected,
    /// The model has it, and it did not happen.
    Skipped,
}

/// One way of deviating, at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlignmentDeviation {
    /// In which way.
    pub kind: DeviationKind,
    /// The activity.
    pub activity: Box<str>,
    /// The last activity before it that log and model shared; `None` at the start.
    pub after: Option<Box<str>>,
    /// How often, over all cases.
    pub times: u64,
}

impl AlignmentFitness {
    /// All deviations of the log and net that were aligned, the most frequent first, equal ones by kind and name.
    ///
    /// # Panics
    ///
    /// Log or net are not the ones that were aligned.
    pub fn deviations(&self, log: &Variants, net: &PetriNet) -> Vec<AlignmentDeviation> {
        let mut times: BTreeMap<(DeviationKind, &str, Option<&str>), u64> = BTreeMap::new();
        for (variant, trace) in log.iter().zip(&self.traces) {
            let mut after = None;
            for step in &trace.moves {
                let deviation = match step {
                    Move::Silent { .. } => continue,
                    Move::Synchronous { event, .. } => {
                        after = Some(log.name(variant.activities[*event]));
                        continue;
                    }
                    Move::Log { event } => {
                        let activity = log.name(variant.activities[*event]);
                        (DeviationKind::Unexpected, activity, after)
                    }
                    Move::Model { transition } => {
                        let label = net.transition(*transition).label.as_deref();
                        (DeviationKind::Skipped, label.unwrap_or_default(), after)
                    }
                };
                *times.entry(deviation).or_default() += variant.cases;
            }
        }
        let found = times
            .into_iter()
            .map(|((kind, activity, after), times)| AlignmentDeviation {
                kind,
                activity: activity.into(),
                after: after.map(Box::from),
                times,
            });
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|it| std::cmp::Reverse(it.times));
        found
    }
}
