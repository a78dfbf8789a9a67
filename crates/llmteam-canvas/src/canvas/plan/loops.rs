//! How the loops of a plan nest, and which edges close or leave them.

use std::collections::HashMap;

use super::index::{EdgeIndex, LoopIndex, StepIndex};
use crate::canvas::loops::{Found, search};

/// One loop of the graph. What belongs to a loop inside it is listed there.
#[derive(Debug)]
pub struct PlanLoop {
    /// Where every iteration begins.
    pub header: StepIndex,
    /// The loop directly around this one.
    pub parent: Option<LoopIndex>,
    /// Loops directly inside this one.
    pub inner: Vec<LoopIndex>,
    /// Steps in this loop and in no inner one, in declaration order.
    pub own_steps: Vec<StepIndex>,
    /// Edges with both ends in this loop and not both in one inner loop, in declaration order.
    pub own_edges: Vec<EdgeIndex>,
    /// Those of them that end in the header.
    pub back_edges: Vec<EdgeIndex>,
    /// Edges whose outermost left loop is this one: they are resolved when it closes.
    pub exits: Vec<EdgeIndex>,
}

/// The loop forest of a graph.
#[derive(Debug)]
pub(super) struct LoopForest {
    pub(super) loops: Vec<PlanLoop>,
    /// By step: whether a path leads to it.
    pub(super) reached: Vec<bool>,
    /// By step: the innermost loop around it.
    pub(super) innermost: Vec<Option<LoopIndex>>,
    /// By edge: the loop that it closes.
    pub(super) closes: Vec<Option<LoopIndex>>,
    /// By edge: the outermost loop that it leaves.
    pub(super) leaves: Vec<Option<LoopIndex>>,
}

/// Ends of an edge, by step position.
pub(super) type Ends = (usize, usize);

/// Finds all loops among the steps that the entrypoint reaches.
pub(super) fn loop_forest(steps: usize, edges: &[Ends], entry: usize) -> LoopForest {
    let mut next = vec![Vec::new(); steps];
    for &(from, to) in edges {
        next[from].push(to);
    }
    let Found { reached, loops } = search(&next, entry);
    let parent = parents(&loops);
    let depth = depths(&parent);
    let mut order: Vec<usize> = (0..loops.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(depth[at]), loops[at].header));
    let mut place = vec![0; loops.len()];
    for (number, &at) in order.iter().enumerate() {
        place[at] = number;
    }
    let headers: HashMap<usize, usize> = loops
        .iter()
        .enumerate()
        .map(|(at, it)| (it.header, at))
        .collect();
    let mut forest = LoopForest {
        loops: Vec::with_capacity(loops.len()),
        reached,
        innermost: vec![None; steps],
        closes: vec![None; edges.len()],
        leaves: vec![None; edges.len()],
    };
    for (number, &at) in order.iter().enumerate() {
        let header = loops[at].header;
        let is_inner = |step: &usize| *step != header && headers.contains_key(step);
        let own: Vec<usize> = loops[at]
            .members
            .iter()
            .copied()
            .filter(|step| !is_inner(step))
            .collect();
        for &step in &own {
            forest.innermost[step] = Some(LoopIndex::new(number));
        }
        forest.loops.push(PlanLoop {
            header: StepIndex::new(header),
            parent: parent[at].map(|it| LoopIndex::new(place[it])),
            inner: Vec::new(),
            own_steps: own.into_iter().map(StepIndex::new).collect(),
            own_edges: Vec::new(),
            back_edges: Vec::new(),
            exits: Vec::new(),
        });
    }
    for number in 0..forest.loops.len() {
        if let Some(parent) = forest.loops[number].parent {
            forest.loops[parent.at()].inner.push(LoopIndex::new(number));
        }
    }
    for (at, &ends) in edges.iter().enumerate() {
        forest.place_edge(EdgeIndex::new(at), ends);
    }
    forest
}

impl LoopForest {
    /// Enters an edge with the innermost loop around both its ends and the outermost one that it leaves.
    fn place_edge(&mut self, edge: EdgeIndex, (from, to): Ends) {
        let (mut left, mut entered) = (self.innermost[from], self.innermost[to]);
        let mut outermost_left = None;
        // Inner loops come first: of two loops, the one with the lower number cannot be around the other.
        while left != entered {
            let climbs = match (left, entered) {
                (Some(left), Some(entered)) => left < entered,
                (left, _) => left.is_some(),
            };
            if climbs {
                outermost_left = left;
                left = left.and_then(|it| self.loops[it.at()].parent);
            } else {
                entered = entered.and_then(|it| self.loops[it.at()].parent);
            }
        }
        if let Some(around) = left {
            let looped = &mut self.loops[around.at()];
            looped.own_edges.push(edge);
            if looped.header.at() == to {
                looped.back_edges.push(edge);
                self.closes[edge.at()] = Some(around);
            }
        }
        if let Some(left) = outermost_left {
            self.loops[left.at()].exits.push(edge);
            self.leaves[edge.at()] = Some(left);
        }
    }
}

/// By loop: the one directly around it. A loop lists the headers of those inside it.
fn parents(loops: &[crate::canvas::loops::Loop]) -> Vec<Option<usize>> {
    let headers: HashMap<usize, usize> = loops
        .iter()
        .enumerate()
        .map(|(at, it)| (it.header, at))
        .collect();
    let mut parent = vec![None; loops.len()];
    for (at, it) in loops.iter().enumerate() {
        for inner in it
            .members
            .iter()
            .filter(|step| **step != it.header)
            .filter_map(|step| headers.get(step))
        {
            parent[*inner] = Some(at);
        }
    }
    parent
}

/// By loop: how many are around it. Outer loops come before inner ones.
fn depths(parent: &[Option<usize>]) -> Vec<usize> {
    let mut depth = Vec::with_capacity(parent.len());
    for around in parent {
        depth.push(around.map_or(0, |at| depth[at] + 1));
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forest(steps: usize, edges: &[Ends]) -> LoopForest {
        loop_forest(steps, edges, 0)
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
        assert_eq!((inner.own_steps.len(), outer.own_steps.len()), (2, 2));
        assert_eq!(outer.own_edges.len(), 3);
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
    fn an_edge_between_two_loops_leaves_one_and_enters_the_other() {
        let edges = [(0, 1), (1, 1), (1, 2), (2, 2)];
        let it = forest(3, &edges);
        assert_eq!(it.leaves[2], it.innermost[1]);
        assert_eq!(it.leaves.iter().flatten().count(), 1);
    }

    #[test]
    fn steps_that_cannot_be_reached_form_no_loop() {
        let it = forest(3, &[(1, 2), (2, 1)]);
        assert!(it.loops.is_empty());
        assert_eq!(it.reached, [true, false, false]);
    }

    #[test]
    fn ten_thousand_nested_loops_are_no_trouble() {
        let count = 10_000;
        let edges: Vec<Ends> = (1..count)
            .map(|step| (step - 1, step))
            .chain((0..count).map(|to| (count - 1, to)))
            .collect();
        let it = forest(count, &edges);
        assert_eq!(it.loops.len(), count);
    }
}
