//! Where silent transitions lead.
//!
//! Invariant: of several sequences that end equally near, the shortest is found, and of equally short ones the first in the
//! order of transitions.

use std::collections::HashSet;

use super::{ConformanceError, SearchBound};
use crate::roles::mining::{Marking, PetriNet, petri::TransitionIndex};

/// A marking that was reached, and how.
struct Reached {
    marking: Marking,
    by: Option<(usize, TransitionIndex)>,
}

/// The silent sequence from a marking to the one at the least distance, and that distance. Nothing is nearer than 0.
///
/// # Errors
///
/// More markings than the bound were reached and none of them has the distance 0.
pub(super) fn nearest(
    net: &PetriNet,
    silent: &[TransitionIndex],
    from: &Marking,
    bound: SearchBound,
    distance: impl Fn(&Marking) -> u64,
) -> Result<(Vec<TransitionIndex>, u64), ConformanceError> {
    let mut best = (0, distance(from));
    if best.1 == 0 || silent.is_empty() {
        return Ok((Vec::new(), best.1));
    }
    let mut seen = HashSet::from([from.clone()]);
    let mut reached = vec![Reached {
        marking: from.clone(),
        by: None,
    }];
    let mut next = 0;
    while next < reached.len() && best.1 > 0 {
        for transition in silent {
            let Some(marking) = net.fire(&reached[next].marking, *transition) else {
                continue;
            };
            if !seen.insert(marking.clone()) {
                continue;
            }
            let found = distance(&marking);
            if found < best.1 {
                best = (reached.len(), found);
            }
            reached.push(Reached {
                marking,
                by: Some((next, *transition)),
            });
            if found == 0 {
                break;
            }
            bound.check(reached.len())?;
        }
        next += 1;
    }
    Ok((path(&reached, best.0), best.1))
}

fn path(reached: &[Reached], to: usize) -> Vec<TransitionIndex> {
    let steps = std::iter::successors(reached[to].by, |(before, _)| reached[*before].by);
    let mut path: Vec<_> = steps.map(|(_, transition)| transition).collect();
    path.reverse();
    path
}
