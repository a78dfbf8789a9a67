//! Petri nets: what may happen next, and what has to have happened before.
//!
//! Invariant: every arc joins a place and a transition of the same net, at most one in each direction, and has a weight of
//! at least 1; names are unique among all nodes. Places and transitions keep the order in which they were named, and whatever
//! lists them lists them so. A net carries its initial and its final marking: it accepts what leads from one to the other.
//! This module does not know logs, nor how a net was found.

mod builder;
mod marking;
pub mod pnml;

pub use self::{
    builder::{MAX_NODES, PetriNetBuilder, PetriNetError, PetriNetFault},
    marking::Marking,
    pnml::{PnmlError, export_pnml, import_pnml},
};

/// The place of a [`Place`] in [`PetriNet::places`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceIndex(u32);

/// The place of a [`Transition`] in [`PetriNet::transitions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransitionIndex(u32);

impl PlaceIndex {
    /// As an index of a slice.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl TransitionIndex {
    /// As an index of a slice.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// Where tokens lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Unique among all nodes of the net.
    pub name: Box<str>,
}

/// What takes tokens from its input places and puts tokens into its output places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Unique among all nodes of the net.
    pub name: Box<str>,
    /// The activity that it stands for; a transition without one is silent, it leaves no event.
    pub label: Option<Box<str>>,
    /// Where it takes tokens from, in the order of places.
    pub inputs: Box<[Arc]>,
    /// Where it puts tokens, in the order of places.
    pub outputs: Box<[Arc]>,
}

impl Transition {
    /// Whether it leaves no event.
    pub fn is_silent(&self) -> bool {
        self.label.is_none()
    }
}

/// One end of a transition at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arc {
    /// Which place.
    pub place: PlaceIndex,
    /// How many tokens at a time; at least 1.
    pub weight: u32,
}

/// A Petri net with an initial and a final marking. [`PetriNet::builder`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PetriNet {
    places: Box<[Place]>,
    transitions: Box<[Transition]>,
    initial: Marking,
    final_marking: Marking,
}

impl PetriNet {
    /// Gathers the parts of a net.
    pub fn builder() -> PetriNetBuilder {
        PetriNetBuilder::default()
    }

    /// All places.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// All transitions.
    pub fn transitions(&self) -> &[Transition] {
        &self.transitions
    }

    /// One place.
    ///
    /// # Panics
    ///
    /// The index is of another net.
    pub fn place(&self, place: PlaceIndex) -> &Place {
        &self.places[place.get()]
    }

    /// One transition.
    ///
    /// # Panics
    ///
    /// The index is of another net.
    pub fn transition(&self, transition: TransitionIndex) -> &Transition {
        &self.transitions[transition.get()]
    }

    /// The indexes of all transitions, in order.
    pub fn transition_indexes(&self) -> impl ExactSizeIterator<Item = TransitionIndex> + use<> {
        // The builder refuses a net with more nodes than a `u32` counts.
        (0..self.transitions.len()).map(|index| TransitionIndex(index as u32))
    }

    /// How many arcs there are.
    pub fn arcs(&self) -> usize {
        let ends = |it: &Transition| it.inputs.len() + it.outputs.len();
        self.transitions.iter().map(ends).sum()
    }

    /// Where the tokens lie at the start.
    pub fn initial_marking(&self) -> &Marking {
        &self.initial
    }

    /// Where the tokens lie at the end, and nowhere else.
    pub fn final_marking(&self) -> &Marking {
        &self.final_marking
    }

    /// The marking with these tokens, places by name; `None` when no place has the name.
    pub fn marking<'a>(&self, tokens: impl IntoIterator<Item = (&'a str, u64)>) -> Option<Marking> {
        let mut marking = Marking::empty(self.places.len());
        for (name, count) in tokens {
            let place = self.places.iter().position(|it| *it.name == *name)?;
            marking.0[place] += count;
        }
        Some(marking)
    }

    /// Whether the inputs of a transition hold the tokens that it takes.
    ///
    /// # Panics
    ///
    /// Marking or transition are of another net, here and below.
    pub fn is_enabled(&self, marking: &Marking, transition: TransitionIndex) -> bool {
        let inputs = &self.transition(transition).inputs;
        inputs
            .iter()
            .all(|arc| marking.tokens(arc.place) >= u64::from(arc.weight))
    }

    /// The transitions that may fire, in order.
    pub fn enabled(&self, marking: &Marking) -> impl Iterator<Item = TransitionIndex> {
        self.transition_indexes()
            .filter(|transition| self.is_enabled(marking, *transition))
    }

    /// The marking after a transition has fired; `None` when it is not enabled.
    pub fn fire(&self, marking: &Marking, transition: TransitionIndex) -> Option<Marking> {
        let mut after = marking.clone();
        self.is_enabled(marking, transition).then(|| {
            self.take(&mut after, transition);
            self.put(&mut after, transition);
            after
        })
    }

    /// Takes the inputs of a transition. Returns how many tokens were missing; what is missing is not taken.
    pub(crate) fn take(&self, marking: &mut Marking, transition: TransitionIndex) -> u64 {
        let inputs = &self.transition(transition).inputs;
        let each = inputs.iter().map(|arc| {
            let tokens = &mut marking.0[arc.place.get()];
            let weight = u64::from(arc.weight);
            let missing = weight.saturating_sub(*tokens);
            *tokens -= weight - missing;
            missing
        });
        each.sum()
    }

    /// Puts the outputs of a transition.
    pub(crate) fn put(&self, marking: &mut Marking, transition: TransitionIndex) {
        for arc in &self.transition(transition).outputs {
            // Tokens are counted in 64 bits and arrive 32 bits at a time: no replay is long enough to fill them.
            let tokens = &mut marking.0[arc.place.get()];
            *tokens = tokens.saturating_add(u64::from(arc.weight));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::roles::mining::nets;

    #[test]
    fn a_transition_fires_when_its_inputs_are_marked() {
        let net = nets::n1();
        let names = |marking| -> Vec<&str> {
            let enabled = net.enabled(marking);
            enabled.map(|it| &*net.transition(it).name).collect()
        };
        assert_eq!(names(net.initial_marking()), ["a"]);
        let a = net.enabled(net.initial_marking()).next().unwrap();
        let after = net.fire(net.initial_marking(), a).unwrap();
        assert_eq!(Some(&after), net.marking([("p1", 1), ("p2", 1)]).as_ref());
        assert_eq!(names(&after), ["b", "c", "e"]);
        assert_eq!(net.fire(&after, a), None);
        assert_eq!(net.marking([("nowhere", 1)]), None);
    }

    #[test]
    fn weights_count_tokens() {
        let net = super::PetriNet::builder()
            .place("i")
            .place("o")
            .transition("t", Some("a"))
            .arc("i", "t", 2)
            .arc("t", "o", 3)
            .initial("i", 3)
            .final_("o", 3)
            .build()
            .unwrap();
        let t = net.transition_indexes().next().unwrap();
        let after = net.fire(net.initial_marking(), t).unwrap();
        assert_eq!(after, net.marking([("i", 1), ("o", 3)]).unwrap());
        assert!(!net.is_enabled(&after, t));
        assert_eq!((after.total(), after.marked().count()), (4, 2));
        let mut short = after;
        assert_eq!(net.take(&mut short, t), 1);
        assert_eq!(short, *net.final_marking());
    }
}
