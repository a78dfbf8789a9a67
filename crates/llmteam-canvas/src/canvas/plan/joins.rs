//! What a `parallel_join` waits for: its slots in order, and the steps that only feed it.

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, EdgeFiltered, Reversed};

use super::index::EdgeIndex;

/// The steps and edges of a plan; an edge says whether it is a forward one.
pub(super) type Graph = DiGraph<(), bool>;

/// How a join merges its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Waits for every slot.
    All,
    /// Starts at the first value and keeps all values there are.
    Any,
    /// Starts at the first value and cancels the rest.
    First,
}

impl JoinKind {
    /// Whether the first value is enough to start.
    pub fn is_race(self) -> bool {
        self != Self::All
    }
}

/// Orders edges into a join as slots: by port name without its trailing digits, then no number
/// before numbers, then the number, then declaration.
pub(super) fn sort_slots(edges: &mut [EdgeIndex], port_of: impl Fn(EdgeIndex) -> String) {
    edges.sort_by_cached_key(|&edge| {
        let port = port_of(edge);
        let stem = port.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = port[stem.len()..].trim_start_matches('0');
        let number = (stem.len() < port.len()).then(|| (digits.len(), digits.to_owned()));
        (stem.to_owned(), number, edge)
    });
}

/// The feeders of `join`: the largest set of steps that all reach it by forward edges and
/// whose every edge ends in the join or in the set. In declaration order.
///
/// `graph` has a node for each step and an edge for each edge, which says whether it is a forward one.
pub(super) fn feeders(graph: &Graph, join: usize) -> Vec<usize> {
    let join = NodeIndex::new(join);
    let forward = EdgeFiltered::from_fn(graph, |edge| *edge.weight());
    let mut feeds = vec![false; graph.node_count()];
    let mut before = Dfs::new(Reversed(&forward), join);
    while let Some(step) = before.next(Reversed(&forward)) {
        feeds[step.index()] = step != join;
    }
    let leads_out = |feeds: &[bool], step: NodeIndex| {
        graph
            .neighbors(step)
            .any(|to| to != join && !feeds[to.index()])
    };
    let mut outside: Vec<NodeIndex> = graph
        .node_indices()
        .filter(|step| feeds[step.index()] && leads_out(&feeds, *step))
        .collect();
    while let Some(step) = outside.pop() {
        if std::mem::take(&mut feeds[step.index()]) {
            outside.extend(
                graph
                    .neighbors_directed(step, Direction::Incoming)
                    .filter(|it| feeds[it.index()]),
            );
        }
    }
    (0..feeds.len()).filter(|&step| feeds[step]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn slots_sort_by_stem_then_number() {
        let ports = [
            "branch_10",
            "b",
            "branch_2",
            "branch_",
            "branch_02",
            "branch_2",
        ];
        let mut edges: Vec<EdgeIndex> = (0..ports.len()).map(EdgeIndex::new).collect();
        sort_slots(&mut edges, |edge| ports[edge.at()].to_owned());
        let order: Vec<usize> = edges.iter().map(|edge| edge.at()).collect();
        assert_eq!(order, [1, 3, 2, 4, 5, 0]);
    }

    //
    #[test]
    fn a_step_with_an_edge_elsewhere_feeds_nothing() {
        let graph = |edges: &[(u32, u32)]| {
            Graph::from_edges(edges.iter().map(|&(from, to)| (from, to, true)))
        };
        let leaking = graph(&[(0, 1), (1, 3), (0, 2), (2, 3), (2, 4)]);
        assert_eq!(feeders(&leaking, 3), [1]);
        let closed = graph(&[(0, 1), (1, 3), (0, 2), (2, 3)]);
        assert_eq!(feeders(&closed, 3), [0, 1, 2]);
    }
}
