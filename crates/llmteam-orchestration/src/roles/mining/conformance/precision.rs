//! Precision: how much of what a model allows was seen.
//!
//! Invariant: prefixes of cases that the model cannot follow say nothing about it and are left out.
//!
//! At each prefix of a case the model allows some activities next and the log shows some of them; what is allowed and not
//! shown is an escaping edge (Muñoz-Gama and Carmona, A fresh look at precision in process conformance, 2010).

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use super::{
    ConformanceError, SearchBound,
    labels::{LabelIndex, Labels},
    replay::{Played, Replay, Replayer},
    space::{StateIndex, StateSpace},
};
use crate::roles::mining::{ActivityIndex, PetriNet, Variants};

/// Precision where a prefix leads to the marking that token replay reaches; events unknown to the net are passed over.
///
/// # Errors
///
/// A search passes its bound.
pub fn precision_token_based_replay(
    log: &Variants,
    net: &PetriNet,
    bound: SearchBound,
) -> Result<f64, ConformanceError> {
    let labels = Labels::new(log, net);
    let replayer = Replayer::new(net, &labels, bound);
    let mut allowed = Allowed::new(net, &labels, bound);
    let mut edges = Edges::default();
    let mut open = vec![(Prefixes::ROOT, net.initial_marking().clone())];
    let prefixes = Prefixes::new(log);
    while let Some((prefix, marking)) = open.pop() {
        let state = allowed.space.number(&marking)?;
        edges.add(&prefixes, prefix, &*allowed.after_state(state)?, &labels);
        for (activity, longer) in prefixes.followers(prefix) {
            let mut replay = Replay::at(marking.clone());
            if replayer.event(&mut replay, *activity)? != Played::Forced {
                open.push((*longer, replay.marking));
            }
        }
    }
    Ok(edges.precision())
}

/// Precision where a prefix leads to every marking that can be reached by exactly its activities and silent transitions.
///
/// # Errors
///
/// A search passes its bound.
pub fn precision_alignments(
    log: &Variants,
    net: &PetriNet,
    bound: SearchBound,
) -> Result<f64, ConformanceError> {
    let labels = Labels::new(log, net);
    let mut allowed = Allowed::new(net, &labels, bound);
    let mut edges = Edges::default();
    let start = allowed.space.number(net.initial_marking())?;
    let mut open = vec![(Prefixes::ROOT, allowed.space.silent_closure(vec![start])?)];
    let prefixes = Prefixes::new(log);
    while let Some((prefix, states)) = open.pop() {
        edges.add(&prefixes, prefix, &allowed.in_states(&states)?, &labels);
        for (activity, longer) in prefixes.followers(prefix) {
            let states = allowed.after(&states, *activity)?;
            if !states.is_empty() {
                open.push((*longer, states));
            }
        }
    }
    Ok(edges.precision())
}

/// The proper prefixes of the cases, as a tree: a node is a prefix and knows what follows it.
struct Prefixes {
    nodes: Vec<Prefix>,
}

#[derive(Default)]
struct Prefix {
    /// The cases that go on after it; for the empty prefix all cases.
    cases: u64,
    followers: Vec<(ActivityIndex, usize)>,
}

impl Prefixes {
    /// The empty prefix.
    const ROOT: usize = 0;

    fn new(log: &Variants) -> Self {
        let mut nodes = vec![Prefix::default()];
        let mut places = HashMap::new();
        for variant in log.iter() {
            let mut here = Self::ROOT;
            for (length, activity) in variant.activities.iter().enumerate() {
                if length > 0 {
                    nodes[here].cases += variant.cases;
                }
                let next = *places.entry((here, *activity)).or_insert(nodes.len());
                if next == nodes.len() {
                    nodes.push(Prefix::default());
                    nodes[here].followers.push((*activity, next));
                }
                here = next;
            }
        }
        nodes[Self::ROOT].cases = log.cases();
        Self { nodes }
    }

    fn followers(&self, prefix: usize) -> &[(ActivityIndex, usize)] {
        &self.nodes[prefix].followers
    }
}

/// What is allowed, and how much of it escapes, over the prefixes so far.
#[derive(Default)]
struct Edges {
    allowed: u64,
    escaping: u64,
}

impl Edges {
    fn add(
        &mut self,
        prefixes: &Prefixes,
        prefix: usize,
        allowed: &BTreeSet<LabelIndex>,
        labels: &Labels,
    ) {
        let Prefix { cases, followers } = &prefixes.nodes[prefix];
        let seen: BTreeSet<LabelIndex> = followers
            .iter()
            .filter_map(|(activity, _)| labels.of_activity(*activity))
            .collect();
        self.allowed += cases * allowed.len() as u64;
        self.escaping += cases * allowed.difference(&seen).count() as u64;
    }

    fn precision(&self) -> f64 {
        if self.allowed == 0 {
            return 1.0;
        }
        1.0 - self.escaping as f64 / self.allowed as f64
    }
}

/// What a net allows in its states.
struct Allowed<'a> {
    space: StateSpace<'a>,
    labels: &'a Labels,
    known: HashMap<StateIndex, Rc<BTreeSet<LabelIndex>>>,
}

impl<'a> Allowed<'a> {
    fn new(net: &'a PetriNet, labels: &'a Labels, bound: SearchBound) -> Self {
        Self {
            space: StateSpace::new(net, bound),
            labels,
            known: HashMap::new(),
        }
    }

    /// The labels that can come next from a state, after silent transitions too.
    fn after_state(
        &mut self,
        state: StateIndex,
    ) -> Result<Rc<BTreeSet<LabelIndex>>, ConformanceError> {
        if let Some(known) = self.known.get(&state) {
            return Ok(Rc::clone(known));
        }
        let states = self.space.silent_closure(vec![state])?;
        let found = Rc::new(self.in_states(&states)?);
        self.known.insert(state, Rc::clone(&found));
        Ok(found)
    }

    /// The labels that can come next in one of some states.
    fn in_states(
        &mut self,
        states: &[StateIndex],
    ) -> Result<BTreeSet<LabelIndex>, ConformanceError> {
        let mut found = BTreeSet::new();
        for state in states {
            let steps = self.space.successors(*state)?;
            found.extend(
                steps
                    .iter()
                    .filter_map(|(it, _)| self.labels.of_transition(*it)),
            );
        }
        Ok(found)
    }

    /// The states after an activity and any silent transitions.
    fn after(
        &mut self,
        states: &[StateIndex],
        activity: ActivityIndex,
    ) -> Result<Vec<StateIndex>, ConformanceError> {
        let Some(label) = self.labels.of_activity(activity) else {
            return Ok(Vec::new());
        };
        let mut after = Vec::new();
        for state in states {
            let steps = self.space.successors(*state)?.iter();
            let steps = steps.filter(|(it, _)| self.labels.of_transition(*it) == Some(label));
            after.extend(steps.map(|(_, state)| *state));
        }
        self.space.silent_closure(after)
    }
}
