//! A net under construction, and what makes it small.
//!
//! Invariant: [`Draft::reduce`] changes neither the sequences of labels that lead from the initial to the final marking nor the
//! labelled transitions that can fire. The two fusions are those of Murata, Petri nets: properties, analysis and applications
//! (1989), held to transitions that leave no event. This file does not know plans.

use std::collections::{BTreeMap, BTreeSet};

use llmteam_orchestration::roles::mining::{PetriNet, PetriNetError};

/// A place of a [`Draft`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PlaceId(usize);

/// Tokens by place; counts add up.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tokens(BTreeMap<PlaceId, u32>);

impl Tokens {
    pub(super) fn one(place: PlaceId) -> Self {
        Self::default().with(place, 1)
    }

    pub(super) fn add(&mut self, place: PlaceId, count: usize) -> &mut Self {
        if count > 0 {
            let tokens = self.0.entry(place).or_default();
            *tokens = tokens.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
        self
    }

    pub(super) fn with(mut self, place: PlaceId, count: usize) -> Self {
        self.add(place, count);
        self
    }

    pub(super) fn add_all(&mut self, other: &Self, times: usize) {
        for (place, count) in &other.0 {
            self.add(*place, *count as usize * times);
        }
    }

    /// The one place, if there is one token and no other.
    fn single(&self) -> Option<PlaceId> {
        let mut all = self.0.iter();
        match (all.next(), all.next()) {
            (Some((place, 1)), None) => Some(*place),
            _ => None,
        }
    }

    fn of(&self, place: PlaceId) -> u32 {
        self.0.get(&place).copied().unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
struct Transition {
    name: String,
    label: Option<String>,
    inputs: Tokens,
    outputs: Tokens,
}

#[derive(Clone, Debug)]
struct Place {
    name: String,
    initial: u32,
}

/// A net that is being made. Its one final token lies in the place given to [`Draft::build`].
#[derive(Debug, Default)]
pub(super) struct Draft {
    places: Vec<Place>,
    transitions: Vec<Transition>,
}

impl Draft {
    pub(super) fn place(&mut self, name: impl Into<String>) -> PlaceId {
        let name = name.into();
        self.places.push(Place { name, initial: 0 });
        PlaceId(self.places.len() - 1)
    }

    /// A token lies in the place at the start.
    pub(super) fn mark(&mut self, place: PlaceId) {
        self.places[place.0].initial = 1;
    }

    pub(super) fn labelled(&mut self, label: &str, inputs: Tokens, outputs: Tokens) {
        self.transitions.push(Transition {
            name: label.to_owned(),
            label: Some(label.to_owned()),
            inputs,
            outputs,
        });
    }

    pub(super) fn silent(&mut self, name: impl Into<String>, inputs: Tokens, outputs: Tokens) {
        self.transitions.push(Transition {
            name: name.into(),
            label: None,
            inputs,
            outputs,
        });
    }

    /// The net, without what can never happen and with what must happen together in one transition.
    pub(super) fn build(mut self, end: PlaceId) -> Result<PetriNet, PetriNetError> {
        self.reduce(end);
        let mut used = vec![false; self.places.len()];
        used[end.0] = true;
        for it in &self.transitions {
            for place in it.inputs.0.keys().chain(it.outputs.0.keys()) {
                used[place.0] = true;
            }
        }
        let mut builder = PetriNet::builder();
        for (place, _) in self.places.iter().zip(&used).filter(|(_, used)| **used) {
            builder = builder.place(&place.name);
            if place.initial > 0 {
                builder = builder.initial(&place.name, place.initial);
            }
        }
        let name = |place: &PlaceId| self.places[place.0].name.as_str();
        for it in &self.transitions {
            builder = builder.transition(&it.name, it.label.as_deref());
            for (place, weight) in &it.inputs.0 {
                builder = builder.arc(name(place), &it.name, *weight);
            }
            for (place, weight) in &it.outputs.0 {
                builder = builder.arc(&it.name, name(place), *weight);
            }
        }
        builder.final_(name(&end), 1).build()
    }

    fn reduce(&mut self, end: PlaceId) {
        self.drop_impossible();
        let transitions = std::mem::take(&mut self.transitions);
        self.transitions = Fusion::new(transitions, &self.places, end).fused();
        self.drop_repeated();
    }

    /// Drops transitions that want tokens of a place which never has any.
    fn drop_impossible(&mut self) {
        let mut wanting: Vec<Vec<usize>> = vec![Vec::new(); self.places.len()];
        let mut wants: Vec<usize> = Vec::with_capacity(self.transitions.len());
        for (at, transition) in self.transitions.iter().enumerate() {
            wants.push(transition.inputs.0.len());
            for place in transition.inputs.0.keys() {
                wanting[place.0].push(at);
            }
        }
        let mut marked: Vec<bool> = self.places.iter().map(|it| it.initial > 0).collect();
        let mut open: Vec<usize> = (0..marked.len()).filter(|it| marked[*it]).collect();
        while let Some(place) = open.pop() {
            for at in &wanting[place] {
                wants[*at] -= 1;
                if wants[*at] == 0 {
                    for place in self.transitions[*at].outputs.0.keys() {
                        if !std::mem::replace(&mut marked[place.0], true) {
                            open.push(place.0);
                        }
                    }
                }
            }
        }
        let mut wants = wants.into_iter();
        self.transitions.retain(|_| wants.next() == Some(0));
    }

    /// Drops silent transitions that change nothing or do the same as an earlier one.
    fn drop_repeated(&mut self) {
        let mut seen: BTreeSet<(Tokens, Tokens)> = BTreeSet::new();
        self.transitions.retain(|it| {
            it.label.is_some()
                || (it.inputs != it.outputs && seen.insert((it.inputs.clone(), it.outputs.clone())))
        });
    }
}

/// Joins silent transitions with those that must come before or after them.
struct Fusion {
    end: PlaceId,
    transitions: Vec<Option<Transition>>,
    /// By place: whether a token lies there at the start.
    marked: Vec<bool>,
    /// By place: which transitions put its tokens, and which take them.
    producers: Vec<BTreeSet<usize>>,
    consumers: Vec<BTreeSet<usize>>,
    /// What may be joined.
    open: BTreeSet<usize>,
}

impl Fusion {
    fn new(transitions: Vec<Transition>, places: &[Place], end: PlaceId) -> Self {
        let mut fusion = Self {
            end,
            open: (0..transitions.len()).collect(),
            transitions: Vec::with_capacity(transitions.len()),
            marked: places.iter().map(|it| it.initial > 0).collect(),
            producers: vec![BTreeSet::new(); places.len()],
            consumers: vec![BTreeSet::new(); places.len()],
        };
        for (at, transition) in transitions.into_iter().enumerate() {
            fusion.transitions.push(None);
            fusion.put(at, transition);
        }
        fusion
    }

    fn fused(mut self) -> Vec<Transition> {
        while let Some(at) = self.open.pop_first() {
            let Some(transition) = self.transitions[at].take_if(|it| it.label.is_none()) else {
                continue;
            };
            self.forget(at, &transition);
            if !self.after(&transition) && !self.before(&transition) {
                self.put(at, transition);
            }
        }
        self.transitions.into_iter().flatten().collect()
    }

    /// Where all that a place's tokens can do is one silent transition that wants nothing else, whoever puts them does it too.
    fn after(&mut self, transition: &Transition) -> bool {
        let Some(place) = transition.inputs.single() else {
            return false;
        };
        let alone =
            self.consumers[place.0].is_empty() && !self.marked[place.0] && place != self.end;
        if !alone || transition.outputs.of(place) > 0 {
            return false;
        }
        for at in self.producers[place.0].clone() {
            self.change(at, |producer| {
                if let Some(count) = producer.outputs.0.remove(&place) {
                    producer
                        .outputs
                        .add_all(&transition.outputs, count as usize);
                }
            });
        }
        true
    }

    /// Where a place has its tokens from one silent transition that puts nothing else, whoever takes them takes what that wants.
    fn before(&mut self, transition: &Transition) -> bool {
        let Some(place) = transition.outputs.single() else {
            return false;
        };
        let alone =
            self.producers[place.0].is_empty() && !self.marked[place.0] && place != self.end;
        let consumers = self.consumers[place.0].clone();
        let singly = |it: &usize| {
            self.transitions[*it]
                .as_ref()
                .is_none_or(|it| it.inputs.of(place) == 1)
        };
        if !alone || transition.inputs.of(place) > 0 || !consumers.iter().all(singly) {
            return false;
        }
        for at in consumers {
            self.change(at, |consumer| {
                consumer.inputs.0.remove(&place);
                consumer.inputs.add_all(&transition.inputs, 1);
            });
        }
        for place in transition.inputs.0.keys() {
            self.open.extend(&self.consumers[place.0]);
        }
        true
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut Transition)) {
        if let Some(mut transition) = self.transitions[at].take() {
            self.forget(at, &transition);
            change(&mut transition);
            self.put(at, transition);
            self.open.insert(at);
        }
    }

    fn put(&mut self, at: usize, transition: Transition) {
        for place in transition.inputs.0.keys() {
            self.consumers[place.0].insert(at);
        }
        for place in transition.outputs.0.keys() {
            self.producers[place.0].insert(at);
        }
        self.transitions[at] = Some(transition);
    }

    fn forget(&mut self, at: usize, transition: &Transition) {
        for place in transition.inputs.0.keys() {
            self.consumers[place.0].remove(&at);
        }
        for place in transition.outputs.0.keys() {
            self.producers[place.0].remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(net: &PetriNet) -> Vec<&str> {
        net.transitions().iter().map(|it| &*it.name).collect()
    }

    #[test]
    fn a_way_that_nobody_can_go_and_steps_that_nobody_sees_are_left_out() {
        let mut draft = Draft::default();
        let [start, a, b, never, end] =
            ["start", "a.done", "b.ready", "never", "end"].map(|it| draft.place(it));
        draft.mark(start);
        let one = Tokens::one;
        draft.labelled("a", one(start), one(a));
        draft.silent("a.next", one(a), one(b));
        draft.silent("never", one(never), one(b));
        draft.labelled("b", one(b), one(end));
        let net = draft.build(end).unwrap();
        assert_eq!(names(&net), ["a", "b"]);
        assert_eq!(net.places().len(), 3);
    }

    #[test]
    fn a_choice_is_kept() {
        let mut draft = Draft::default();
        let [start, done, end] = ["start", "done", "end"].map(|it| draft.place(it));
        draft.mark(start);
        let one = Tokens::one;
        draft.labelled("a", one(start), one(done));
        draft.silent("again", one(done), one(start));
        draft.silent("over", one(done), one(end));
        draft.silent("over too", one(done), one(end));
        let net = draft.build(end).unwrap();
        assert_eq!(names(&net), ["a", "again", "over"]);
    }
}
