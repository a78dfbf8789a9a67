//! Cuts: how the activities of a log come apart, and with them its traces.
//!
//! Invariant: the groups of a cut are at least two, not empty, disjoint, and hold every activity together. Where the relation
//! is that of the traces, every trace is a sequence of the cut's operator over its parts.

mod parallel;
mod repeat;
mod sequence;
mod xor;

use super::{
    graph::{Graph, Groups},
    traces::{Group, Traces},
};
use crate::roles::mining::{Operator, follows::DirectlyFollows};

/// Groups of activities under an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) operator: Operator,
    pub(super) groups: Vec<Group>,
}

type Find = fn(&Graph) -> Groups;

/// Finds the first of: a choice, a sequence, parallel parts, a loop.
pub(super) fn find(follows: &DirectlyFollows) -> Option<Cut> {
    let graph = Graph::new(follows);
    let finders: [(Operator, Find); 4] = [
        (Operator::Xor, xor::groups),
        (Operator::Sequence, sequence::groups),
        (Operator::Parallel, parallel::groups),
        (Operator::Loop, repeat::groups),
    ];
    finders.into_iter().find_map(|(operator, groups)| {
        let groups = groups(&graph);
        (groups.len() > 1).then(|| Cut {
            operator,
            groups: groups.iter().map(|nodes| graph.group(nodes)).collect(),
        })
    })
}

impl Cut {
    /// The traces of each group.
    pub(super) fn split(&self, traces: &Traces) -> Vec<Traces> {
        match self.operator {
            Operator::Xor => xor::split(traces, &self.groups),
            Operator::Sequence => sequence::split(traces, &self.groups),
            Operator::Parallel => parallel::split(traces, &self.groups),
            Operator::Loop => repeat::split(traces, &self.groups),
        }
    }
}
