//! What remains of a directly-follows relation without what is rare.

use std::collections::BTreeMap;

use crate::roles::mining::{ActivityIndex, follows::DirectlyFollows};

/// Drops every edge that is at most `noise` times the largest way on from its source (to another activity or to the end), and
/// every start that is below `noise` times the largest start. Activities stay, even where nothing is left of their edges.
pub(super) fn without(mut follows: DirectlyFollows, noise: f64) -> DirectlyFollows {
    let mut largest: BTreeMap<ActivityIndex, u64> = follows.ends.clone();
    for ((from, _), count) in &follows.edges {
        let largest = largest.entry(*from).or_default();
        *largest = (*largest).max(*count);
    }
    follows
        .edges
        .retain(|(from, _), count| *count as f64 > noise * largest[from] as f64);
    let most = follows.starts.values().copied().max().unwrap_or(0);
    follows
        .starts
        .retain(|_, count| *count as f64 >= noise * most as f64);
    follows
}
