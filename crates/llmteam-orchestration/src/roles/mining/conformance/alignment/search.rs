//! The cheapest path through the product of a trace and a net.
//!
//! Invariant: states are settled in the order of their cost, so the first settled state at the end of the trace and in the final
//! marking ends a cheapest path (Dijkstra, A note on two problems in connexion with graphs, 1959). A state is a marking and how
//! many events are behind; markings and what they lead to are shared by all traces of a log.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::{Alignment, Move};
use crate::roles::mining::{
    ActivityIndex, PetriNet, Variants,
    conformance::{
        ConformanceError, SearchBound,
        labels::Labels,
        space::{StateIndex, StateSpace},
    },
};

/// Moves that count, then silent moves.
type Cost = (u64, u64);

pub(super) struct Aligner<'a> {
    labels: Labels,
    space: StateSpace<'a>,
    bound: SearchBound,
    initial: StateIndex,
    goal: StateIndex,
}

/// A way to a state: the move that ended it, and the way before.
struct Way {
    state: (StateIndex, usize),
    cost: Cost,
    last: Option<(usize, Move)>,
}

/// The ways of one trace that are worth going on with.
#[derive(Default)]
struct Search {
    ways: Vec<Way>,
    cheapest: HashMap<(StateIndex, usize), Cost>,
    /// Cheapest first; then those with most events behind them; then those found first.
    queue: BinaryHeap<Reverse<(Cost, Reverse<usize>, usize)>>,
}

impl<'a> Aligner<'a> {
    pub(super) fn new(
        log: &Variants,
        net: &'a PetriNet,
        bound: SearchBound,
    ) -> Result<Self, ConformanceError> {
        let mut space = StateSpace::new(net, bound);
        Ok(Self {
            labels: Labels::new(log, net),
            initial: space.number(net.initial_marking())?,
            goal: space.number(net.final_marking())?,
            space,
            bound,
        })
    }

    pub(super) fn align(
        &mut self,
        trace: &[ActivityIndex],
        cases: u64,
    ) -> Result<Alignment, ConformanceError> {
        let mut search = Search::default();
        search.offer((self.initial, 0), (0, 0), None);
        while let Some(Reverse((cost, _, way))) = search.queue.pop() {
            let state = search.ways[way].state;
            if cost > search.cheapest[&state] {
                continue;
            }
            if state == (self.goal, trace.len()) {
                return Ok(Alignment {
                    cases,
                    events: trace.len() as u64,
                    moves: search.moves(way),
                    cost: cost.0,
                    silent: cost.1,
                });
            }
            self.go_on(&mut search, way, trace)?;
            self.bound.check(search.cheapest.len())?;
        }
        Err(ConformanceError::FinalMarkingUnreachable)
    }

    fn go_on(
        &mut self,
        search: &mut Search,
        way: usize,
        trace: &[ActivityIndex],
    ) -> Result<(), ConformanceError> {
        let Way {
            state: (state, event),
            cost: (cost, silent),
            ..
        } = search.ways[way];
        let activity = trace.get(event);
        let wanted = activity.and_then(|it| self.labels.of_activity(*it));
        for &(transition, after) in self.space.successors(state)? {
            let Some(label) = self.labels.of_transition(transition) else {
                let last = (way, Move::Silent { transition });
                search.offer((after, event), (cost, silent + 1), Some(last));
                continue;
            };
            if wanted == Some(label) {
                let last = (way, Move::Synchronous { event, transition });
                search.offer((after, event + 1), (cost, silent), Some(last));
            }
            let last = (way, Move::Model { transition });
            search.offer((after, event), (cost + 1, silent), Some(last));
        }
        if activity.is_some() {
            let last = (way, Move::Log { event });
            search.offer((state, event + 1), (cost + 1, silent), Some(last));
        }
        Ok(())
    }
}

impl Search {
    /// Keeps a way if it is cheaper than every other to its state.
    fn offer(&mut self, state: (StateIndex, usize), cost: Cost, last: Option<(usize, Move)>) {
        let known = self.cheapest.entry(state).or_insert((u64::MAX, u64::MAX));
        if cost < *known {
            *known = cost;
            self.queue
                .push(Reverse((cost, Reverse(state.1), self.ways.len())));
            self.ways.push(Way { state, cost, last });
        }
    }

    fn moves(&self, way: usize) -> Vec<Move> {
        let steps = std::iter::successors(self.ways[way].last, |(way, _)| self.ways[*way].last);
        let mut moves: Vec<_> = steps.map(|(_, last)| last).collect();
        moves.reverse();
        moves
    }
}
