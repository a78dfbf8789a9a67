//! The segment with its ids resolved: which steps an edge joins.
//!
//! Invariant: a repeated id means the first step that has it; an end that is no step is `None`.

use std::collections::HashMap;

use crate::canvas::definition::{EdgeDefinition, SegmentDefinition};

pub(super) struct Graph<'a> {
    places: HashMap<&'a str, usize>,
    edges: &'a [EdgeDefinition],
    /// By edge: the steps it leaves and enters.
    pub(super) ends: Vec<(Option<usize>, Option<usize>)>,
    /// By step: the edges that leave it, in declaration order.
    outgoing: Vec<Vec<usize>>,
    /// By step: the edges that enter it, in declaration order.
    incoming: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(segment: &'a SegmentDefinition) -> Self {
        let count = segment.steps.len();
        let mut places = HashMap::with_capacity(count);
        for (at, step) in segment.steps.iter().enumerate() {
            places.entry(step.step_id.as_str()).or_insert(at);
        }
        let mut graph = Self {
            places,
            edges: &segment.edges,
            ends: Vec::with_capacity(segment.edges.len()),
            outgoing: vec![Vec::new(); count],
            incoming: vec![Vec::new(); count],
        };
        for (at, edge) in segment.edges.iter().enumerate() {
            let ends = (graph.step(&edge.from_step), graph.step(&edge.to_step));
            graph.ends.push(ends);
            if let Some(from) = ends.0 {
                graph.outgoing[from].push(at);
            }
            if let Some(to) = ends.1 {
                graph.incoming[to].push(at);
            }
        }
        graph
    }

    /// The step with this id.
    pub(super) fn step(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The edges that leave a step, with their places.
    pub(super) fn outgoing(
        &self,
        step: usize,
    ) -> impl Iterator<Item = (usize, &'a EdgeDefinition)> {
        let edges = self.edges;
        self.outgoing[step].iter().map(move |at| (*at, &edges[*at]))
    }

    /// The edges that enter a step, with their places.
    pub(super) fn incoming(
        &self,
        step: usize,
    ) -> impl Iterator<Item = (usize, &'a EdgeDefinition)> {
        let edges = self.edges;
        self.incoming[step].iter().map(move |at| (*at, &edges[*at]))
    }

    /// The steps that a step's edges lead to, in declaration order.
    pub(super) fn next(&self, step: usize) -> Vec<usize> {
        self.outgoing[step]
            .iter()
            .filter_map(|at| self.ends[*at].1)
            .collect()
    }
}
