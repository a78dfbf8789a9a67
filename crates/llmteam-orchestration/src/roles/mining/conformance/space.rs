//! The markings that a net can reach, found as they are asked for and kept for all traces of a log.
//!
//! Invariant: a marking has one number, and its successors stand in the order of transitions. The numbers depend on what was
//! asked for first: no result may depend on them.

use std::{collections::HashMap, ops::Range};

use super::{ConformanceError, SearchBound};
use crate::roles::mining::{Marking, PetriNet, petri::TransitionIndex};

/// The number of a marking.
pub(super) type StateIndex = usize;

/// What fires, and where that leads.
pub(super) type Step = (TransitionIndex, StateIndex);

pub(super) struct StateSpace<'a> {
    net: &'a PetriNet,
    bound: SearchBound,
    markings: Vec<Marking>,
    numbers: HashMap<Marking, StateIndex>,
    steps: Vec<Step>,
    /// Where the successors of a state stand in `steps`, once they are known.
    successors: Vec<Option<Range<usize>>>,
}

impl<'a> StateSpace<'a> {
    pub(super) fn new(net: &'a PetriNet, bound: SearchBound) -> Self {
        Self {
            net,
            bound,
            markings: Vec::new(),
            numbers: HashMap::new(),
            steps: Vec::new(),
            successors: Vec::new(),
        }
    }

    /// The number of a marking, reachable or not.
    pub(super) fn number(&mut self, marking: &Marking) -> Result<StateIndex, ConformanceError> {
        if let Some(number) = self.numbers.get(marking) {
            return Ok(*number);
        }
        let number = self.markings.len();
        self.bound.check(number + 1)?;
        self.numbers.insert(marking.clone(), number);
        self.markings.push(marking.clone());
        self.successors.push(None);
        Ok(number)
    }

    /// What may fire in a state.
    pub(super) fn successors(&mut self, state: StateIndex) -> Result<&[Step], ConformanceError> {
        let range = match &self.successors[state] {
            Some(range) => range.clone(),
            None => self.explore(state)?,
        };
        Ok(&self.steps[range])
    }

    fn explore(&mut self, state: StateIndex) -> Result<Range<usize>, ConformanceError> {
        let net = self.net;
        let mut steps = Vec::new();
        for transition in net.transition_indexes() {
            if let Some(after) = net.fire(&self.markings[state], transition) {
                steps.push((transition, self.number(&after)?));
            }
        }
        let start = self.steps.len();
        self.steps.append(&mut steps);
        let range = start..self.steps.len();
        self.successors[state] = Some(range.clone());
        Ok(range)
    }

    /// The states that silent transitions reach from some states, these included, in ascending order.
    pub(super) fn silent_closure(
        &mut self,
        mut states: Vec<StateIndex>,
    ) -> Result<Vec<StateIndex>, ConformanceError> {
        states.sort_unstable();
        states.dedup();
        let mut seen: std::collections::HashSet<_> = states.iter().copied().collect();
        let mut next = 0;
        while next < states.len() {
            let net = self.net;
            for (transition, after) in self.successors(states[next])? {
                if net.transition(*transition).is_silent() && seen.insert(*after) {
                    states.push(*after);
                }
            }
            next += 1;
        }
        states.sort_unstable();
        Ok(states)
    }
}
