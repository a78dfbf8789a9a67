//! Which transitions of a net stand for which activities of a log.
//!
//! Invariant: two transitions have the same label number exactly when they have the same label.

use std::collections::HashMap;

use crate::roles::mining::{
    ActivityIndex, PetriNet, Variants,
    petri::{Transition, TransitionIndex},
};

/// A distinct label of the net, by number.
pub(super) type LabelIndex = usize;

/// The transitions of one net, seen from one log.
pub(super) struct Labels {
    /// By transition.
    of_transition: Vec<Option<LabelIndex>>,
    /// By activity; `None` where no transition has the label.
    of_activity: Vec<Option<LabelIndex>>,
    /// By label.
    transitions: Vec<Vec<TransitionIndex>>,
    silent: Vec<TransitionIndex>,
}

impl Labels {
    pub(super) fn new(log: &Variants, net: &PetriNet) -> Self {
        let mut numbers = HashMap::new();
        let mut transitions: Vec<Vec<TransitionIndex>> = Vec::new();
        let mut silent = Vec::new();
        let mut number = |index, transition: &'_ Transition| {
            let Some(label) = transition.label.clone() else {
                silent.push(index);
                return None;
            };
            let number = *numbers.entry(label).or_insert_with(|| {
                transitions.push(Vec::new());
                transitions.len() - 1
            });
            transitions[number].push(index);
            Some(number)
        };
        let of_transition = net
            .transition_indexes()
            .map(|index| number(index, net.transition(index)))
            .collect();
        let activities = log.activities().iter();
        Self {
            of_transition,
            of_activity: activities.map(|name| numbers.get(name).copied()).collect(),
            transitions,
            silent,
        }
    }

    /// The label that an activity has in the net, if it occurs there.
    pub(super) fn of_activity(&self, activity: ActivityIndex) -> Option<LabelIndex> {
        self.of_activity[usize::from(activity)]
    }

    /// The label of a transition; `None` when it is silent.
    pub(super) fn of_transition(&self, transition: TransitionIndex) -> Option<LabelIndex> {
        self.of_transition[transition.get()]
    }

    /// The transitions with a label, in order.
    pub(super) fn transitions(&self, label: LabelIndex) -> &[TransitionIndex] {
        &self.transitions[label]
    }

    /// The silent transitions, in order.
    pub(super) fn silent(&self) -> &[TransitionIndex] {
        &self.silent
    }
}
