//! The inductive miner: a log is cut where its activities come apart, and the parts are mined the same way.
//!
//! Invariant: without noise every case of the log is a sequence of the tree. With noise, what is rare may be left out. In both
//! cases the tree depends on the cases alone, not on their order.
//!
//! After Leemans, Robust process mining with guarantees (2017): cuts, fall-throughs and the treatment of infrequent behaviour.

mod cut;
mod fall_through;
mod graph;
mod noise;
#[cfg(test)]
mod tests;
mod traces;

use std::collections::BTreeMap;

use self::{cut::Cut, traces::Traces};
use super::{DiscoveryError, check_range};
use crate::roles::mining::{ActivityIndex, Operator, ProcessTree, Variants, tree::MAX_DEPTH};

/// The most distinct activities of a log to mine (2,000): cuts compare each with each.
pub const MAX_ACTIVITIES: usize = 2_000;

/// How deep the miner goes before it stops looking: a flower makes at most two more operators.
const DEEPEST: usize = MAX_DEPTH - 2;

/// Discovers a process tree. `noise` is the share, from 0 to 1, below which behaviour is rare beside its alternatives: with 0
/// every case fits the tree, with 1 next to nothing has to.
///
/// # Errors
///
/// `noise` is out of range, or the log has more than [`MAX_ACTIVITIES`] distinct activities.
pub fn discover_process_tree_inductive(
    log: &Variants,
    noise: f64,
) -> Result<ProcessTree, DiscoveryError> {
    check_range("noise", noise, 0.0, 1.0)?;
    let activities = log.activities().len();
    let limit = MAX_ACTIVITIES;
    if activities > limit {
        return Err(DiscoveryError::TooManyActivities { activities, limit });
    }
    let (names, traces) = by_name(log);
    let tree = Miner { names, noise }.mine(traces, 0);
    Ok(tree.flattened())
}

/// The names in order, and the traces with places in that order for activities: what comes first by index then comes first by
/// name.
fn by_name(log: &Variants) -> (Vec<&str>, Traces) {
    let mut order: BTreeMap<&str, ActivityIndex> = BTreeMap::new();
    for name in log.activities() {
        order.insert(name, 0);
    }
    for (place, index) in order.values_mut().zip(0..) {
        *place = index;
    }
    let traces = log.iter().map(|variant| {
        let places = variant.activities.iter().map(|it| order[log.name(*it)]);
        (places.collect(), variant.cases)
    });
    let traces = traces.collect();
    (order.into_keys().collect(), traces)
}

struct Miner<'a> {
    names: Vec<&'a str>,
    noise: f64,
}

impl Miner<'_> {
    fn mine(&self, traces: Traces, depth: usize) -> ProcessTree {
        let (empty, traces) = traces.part_empty();
        if traces.is_empty() {
            return ProcessTree::silent();
        }
        if empty as f64 > self.noise * (empty + traces.cases()) as f64 {
            let rest = self.mine(traces, depth + 1);
            return ProcessTree::joined(Operator::Xor, vec![ProcessTree::silent(), rest]);
        }
        if let Some(activity) = traces.only_activity() {
            return ProcessTree::activity(self.names[usize::from(activity)]);
        }
        if depth >= DEEPEST {
            return self.flower(&traces);
        }
        let (operator, parts) = match self.cut(&traces) {
            Some(cut) => (cut.operator, cut.split(&traces)),
            None => match fall_through::parts(&traces) {
                Some(parts) => parts,
                None => return self.flower(&traces),
            },
        };
        let operands = parts.into_iter().map(|part| self.mine(part, depth + 1));
        ProcessTree::joined(operator, operands.collect())
    }

    /// The first cut of everything, or else of what is frequent.
    fn cut(&self, traces: &Traces) -> Option<Cut> {
        let follows = traces.directly_follows();
        cut::find(&follows).or_else(|| {
            let frequent = (self.noise > 0.0).then(|| noise::without(follows, self.noise))?;
            cut::find(&frequent)
        })
    }

    /// Any of the activities, any number of times.
    fn flower(&self, traces: &Traces) -> ProcessTree {
        let leaves = traces.directly_follows().activities.into_keys();
        let leaves = leaves.map(|it| ProcessTree::activity(self.names[usize::from(it)]));
        let any = ProcessTree::joined(Operator::Xor, leaves.collect());
        ProcessTree::joined(Operator::Loop, vec![ProcessTree::silent(), any])
    }
}
