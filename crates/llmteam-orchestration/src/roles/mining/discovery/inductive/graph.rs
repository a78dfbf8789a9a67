//! The directly-follows relation as a graph whose nodes are numbered from 0, and sets of its nodes.
//!
//! Invariant: nodes are numbered in the order of their activities.

use super::traces::Group;
use crate::roles::mining::{ActivityIndex, follows::DirectlyFollows};

/// Which nodes are joined, which begin a case and which end one.
pub(super) struct Graph {
    activities: Vec<ActivityIndex>,
    edges: Square,
    pub(super) starts: Vec<bool>,
    pub(super) ends: Vec<bool>,
}

/// Disjoint sets of nodes, in order.
pub(super) type Groups = Vec<Vec<usize>>;

/// A truth for each ordered pair of nodes.
pub(super) struct Square {
    side: usize,
    cells: Vec<bool>,
}

impl Square {
    fn new(side: usize) -> Self {
        Self {
            side,
            cells: vec![false; side * side],
        }
    }

    pub(super) fn has(&self, from: usize, to: usize) -> bool {
        self.cells[from * self.side + to]
    }

    fn set(&mut self, from: usize, to: usize) {
        self.cells[from * self.side + to] = true;
    }
}

impl Graph {
    pub(super) fn new(follows: &DirectlyFollows) -> Self {
        let activities: Vec<_> = follows.activities.keys().copied().collect();
        let mut edges = Square::new(activities.len());
        let node = |activity| activities.binary_search(activity).ok();
        for (from, to) in follows.edges.keys() {
            if let (Some(from), Some(to)) = (node(from), node(to)) {
                edges.set(from, to);
            }
        }
        let among = |some: Group| activities.iter().map(|it| some.contains(it)).collect();
        Self {
            starts: among(follows.starts.keys().copied().collect()),
            ends: among(follows.ends.keys().copied().collect()),
            edges,
            activities,
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.activities.len()
    }

    pub(super) fn has_edge(&self, from: usize, to: usize) -> bool {
        self.edges.has(from, to)
    }

    /// The edges, sorted.
    pub(super) fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        let side = self.nodes();
        let joined = self.edges.cells.iter().enumerate().filter(|(_, it)| **it);
        joined.map(move |(cell, _)| (cell / side, cell % side))
    }

    /// From where one can get where, by at least one edge.
    pub(super) fn reachability(&self) -> Square {
        let side = self.nodes();
        let mut next = vec![Vec::new(); side];
        for (from, to) in self.edges() {
            next[from].push(to);
        }
        let mut reached = Square::new(side);
        for from in 0..side {
            let mut open = next[from].clone();
            while let Some(node) = open.pop() {
                if !reached.has(from, node) {
                    reached.set(from, node);
                    open.extend(&next[node]);
                }
            }
        }
        reached
    }

    /// The activities of some nodes.
    pub(super) fn group(&self, nodes: &[usize]) -> Group {
        nodes.iter().map(|node| self.activities[*node]).collect()
    }
}

/// Sets of nodes that grow together. The set of a node is named by its smallest node.
pub(super) struct Union(Vec<usize>);

impl Union {
    /// Each node in a set of its own.
    pub(super) fn new(nodes: usize) -> Self {
        Self((0..nodes).collect())
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// The sets, by their smallest node.
    pub(super) fn sets(mut self) -> Groups {
        let nodes = self.0.len();
        let mut sets = vec![Vec::new(); nodes];
        for node in 0..nodes {
            sets[self.root(node)].push(node);
        }
        sets.retain(|it| !it.is_empty());
        sets
    }
}
