//! Which edges close a loop, and how loops nest.
//!
//! A loop is a strongly connected component with an inner edge; its header is the step that a
//! depth-first search from the entrypoint finds first; its back edges are the inner edges into the
//! header. They are removed and the component is searched again for inner loops.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::index::{EdgeIndex, LoopIndex, StepIndex};

/// One loop of the graph.
#[derive(Debug)]
pub struct PlanLoop {
    /// Where every iteration begins.
    pub header: StepIndex,
    /// The loop directly around this one.
    pub parent: Option<LoopIndex>,
    /// Steps of the loop, those of inner loops included, in declaration order.
    pub steps: Vec<StepIndex>,
    /// Loops directly inside this one.
    pub inner: Vec<LoopIndex>,
    /// Inner edges into the header.
    pub back_edges: Vec<EdgeIndex>,
    /// All edges with both ends in the loop.
    pub inner_edges: Vec<EdgeIndex>,
    /// Edges whose outermost left loop is this one: they are resolved when it closes.
    pub exits: Vec<EdgeIndex>,
    /// Number of steps that belong to this loop and to no inner one.
    pub own_steps: u32,
}

/// The loop forest of a graph.
#[derive(Debug)]
pub(super) struct LoopForest {
    pub(super) loops: Vec<PlanLoop>,
    /// By step: the innermost loop around it.
    pub(super) innermost: Vec<Option<LoopIndex>>,
    /// By edge: the loop that it closes.
    pub(super) closes: Vec<Option<LoopIndex>>,
    /// By edge: the outermost loop that it leaves.
    pub(super) leaves: Vec<Option<LoopIndex>>,
}

/// Ends of an edge, by step position.
pub(super) type Ends = (usize, usize);

/// By step: its place in the depth-first search from the entrypoint; none if it is unreachable.
pub(super) fn discovery_order(steps: usize, edges: &[Ends], entry: usize) -> Vec<Option<u32>> {
    let mut outgoing = vec![Vec::new(); steps];
    for &(from, to) in edges {
        outgoing[from].push(to);
    }
    let mut rank = vec![None; steps];
    let mut found = 0;
    let mut stack = vec![entry];
    while let Some(step) = stack.pop() {
        if rank[step].is_some() {
            continue;
        }
        rank[step] = Some(found);
        found += 1;
        stack.extend(
            outgoing[step]
                .iter()
                .rev()
                .filter(|&&next| rank[next].is_none()),
        );
    }
    rank
}

/// Finds all loops among the reachable steps.
pub(super) fn loop_forest(edges: &[Ends], rank: &[Option<u32>]) -> LoopForest {
    let reachable: Vec<usize> = (0..rank.len())
        .filter(|&step| rank[step].is_some())
        .collect();
    let live: Vec<usize> = (0..edges.len())
        .filter(|&edge| rank[edges[edge].0].is_some())
        .collect();
    let mut found = Search {
        edges,
        rank,
        loops: Vec::new(),
    };
    found.search(reachable, live);
    number(found.loops, edges, rank.len())
}

/// A loop before loops are numbered; `parent` is a position in the order of discovery.
struct Found {
    header: usize,
    parent: Option<usize>,
    depth: usize,
    steps: Vec<usize>,
    back_edges: Vec<usize>,
    inner_edges: Vec<usize>,
}

struct Search<'a> {
    edges: &'a [Ends],
    rank: &'a [Option<u32>],
    loops: Vec<Found>,
}

impl Search<'_> {
    fn search(&mut self, steps: Vec<usize>, edges: Vec<usize>) {
        let mut regions = vec![(steps, edges, None::<usize>)];
        while let Some((steps, edges, parent)) = regions.pop() {
            for (component, inner) in self.components(&steps, &edges) {
                let header = component
                    .iter()
                    .copied()
                    .min_by_key(|&step| self.rank[step])
                    .unwrap_or(component[0]);
                let (back_edges, rest): (Vec<_>, Vec<_>) = inner
                    .iter()
                    .copied()
                    .partition(|&edge| self.edges[edge].1 == header);
                let depth = parent.map_or(0, |at: usize| self.loops[at].depth + 1);
                let this = self.loops.len();
                self.loops.push(Found {
                    header,
                    parent,
                    depth,
                    steps: component.clone(),
                    back_edges,
                    inner_edges: inner,
                });
                regions.push((component, rest, Some(this)));
            }
        }
    }

    /// Strongly connected components that have an inner edge, each with its inner edges.
    fn components(&self, steps: &[usize], edges: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
        if edges.is_empty() {
            return Vec::new();
        }
        let mut place = std::collections::HashMap::with_capacity(steps.len());
        let mut graph = DiGraph::<usize, ()>::with_capacity(steps.len(), edges.len());
        for &step in steps {
            place.insert(step, graph.add_node(step));
        }
        for &edge in edges {
            let (from, to) = self.edges[edge];
            graph.add_edge(place[&from], place[&to], ());
        }
        let mut component_of = vec![0usize; graph.node_count()];
        let components = kosaraju_scc(&graph);
        for (number, component) in components.iter().enumerate() {
            for node in component {
                component_of[node.index()] = number;
            }
        }
        let mut inner = vec![Vec::new(); components.len()];
        for &edge in edges {
            let (from, to) = self.edges[edge];
            let number = component_of[place[&from].index()];
            if number == component_of[place[&to].index()] {
                inner[number].push(edge);
            }
        }
        let steps_of = |nodes: &[NodeIndex]| {
            let mut steps: Vec<usize> = nodes.iter().map(|&node| graph[node]).collect();
            steps.sort_unstable();
            steps
        };
        components
            .iter()
            .zip(inner)
            .filter(|(_, inner)| !inner.is_empty())
            .map(|(nodes, inner)| (steps_of(nodes), inner))
            .collect()
    }
}

/// Numbers the loops inner first, then by header, and classifies every edge.
fn number(mut found: Vec<Found>, edges: &[Ends], steps: usize) -> LoopForest {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(found[at].depth), found[at].header));
    let mut place = vec![0usize; found.len()];
    for (number, &at) in order.iter().enumerate() {
        place[at] = number;
    }
    let mut innermost = vec![None; steps];
    let mut closes = vec![None; edges.len()];
    let mut loops: Vec<PlanLoop> = Vec::with_capacity(found.len());
    for (number, &at) in order.iter().enumerate() {
        let it = &mut found[at];
        for &step in &it.steps {
            innermost[step].get_or_insert(LoopIndex::new(number));
        }
        for &edge in &it.back_edges {
            closes[edge] = Some(LoopIndex::new(number));
        }
        loops.push(PlanLoop {
            header: StepIndex::new(it.header),
            parent: it.parent.map(|parent| LoopIndex::new(place[parent])),
            steps: it.steps.iter().copied().map(StepIndex::new).collect(),
            inner: Vec::new(),
            back_edges: it.back_edges.iter().copied().map(EdgeIndex::new).collect(),
            inner_edges: it.inner_edges.iter().copied().map(EdgeIndex::new).collect(),
            exits: Vec::new(),
            own_steps: 0,
        });
    }
    for number in 0..loops.len() {
        if let Some(parent) = loops[number].parent {
            loops[parent.at()].inner.push(LoopIndex::new(number));
        }
    }
    for at in innermost.iter().flatten() {
        let at: &LoopIndex = at;
        loops[at.at()].own_steps += 1;
    }
    let leaves: Vec<_> = edges
        .iter()
        .map(|&(from, to)| outermost_left(&loops, innermost[from], innermost[to]))
        .collect();
    for (edge, left) in leaves.iter().enumerate() {
        if let Some(left) = left {
            loops[left.at()].exits.push(EdgeIndex::new(edge));
        }
    }
    LoopForest {
        loops,
        innermost,
        closes,
        leaves,
    }
}

/// The outermost loop around `from` that is not around `to`.
fn outermost_left(
    loops: &[PlanLoop],
    from: Option<LoopIndex>,
    to: Option<LoopIndex>,
) -> Option<LoopIndex> {
    let around =
        |start: Option<LoopIndex>| std::iter::successors(start, |at| loops[at.at()].parent);
    let kept: Vec<LoopIndex> = around(to).collect();
    around(from).take_while(|at| !kept.contains(at)).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forest(steps: usize, edges: &[Ends]) -> LoopForest {
        loop_forest(edges, &discovery_order(steps, edges, 0))
    }

    //
    #[test]
    fn inner_loops_are_found_once_the_outer_back_edges_are_gone() {
        // draft 0, fix 1, lint 2, judge 3, publish 4
        let edges = [(0, 1), (1, 2), (2, 1), (2, 3), (3, 0), (3, 4)];
        let it = forest(5, &edges);
        assert_eq!(it.loops.len(), 2);
        let (inner, outer) = (&it.loops[0], &it.loops[1]);
        assert_eq!((inner.header.at(), outer.header.at()), (1, 0));
        assert_eq!(inner.parent, Some(LoopIndex::new(1)));
        assert_eq!(inner.back_edges, [EdgeIndex::new(2)]);
        assert_eq!(outer.back_edges, [EdgeIndex::new(4)]);
        assert_eq!((inner.own_steps, outer.own_steps), (2, 2));
    }

    //
    #[test]
    fn an_edge_out_of_nested_loops_belongs_to_the_outermost_it_leaves() {
        let edges = [(0, 1), (1, 0), (1, 1), (1, 2)];
        let it = forest(3, &edges);
        assert_eq!(it.leaves[3], Some(LoopIndex::new(1)));
        assert_eq!(
            it.leaves[1],
            Some(LoopIndex::new(0)),
            "the outer back edge leaves the self-loop"
        );
        assert_eq!(it.closes[1], Some(LoopIndex::new(1)));
    }

    #[test]
    fn steps_that_cannot_be_reached_form_no_loop() {
        let it = forest(3, &[(1, 2), (2, 1)]);
        assert!(it.loops.is_empty());
    }

    #[test]
    fn a_chain_of_ten_thousand_steps_does_not_exhaust_the_stack() {
        let edges: Vec<Ends> = (0..9_999)
            .map(|step| (step, step + 1))
            .chain([(9_999, 0)])
            .collect();
        let it = forest(10_000, &edges);
        assert_eq!(it.loops.len(), 1);
    }
}
