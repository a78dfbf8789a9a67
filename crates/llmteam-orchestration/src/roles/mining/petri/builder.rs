//! Gathering the parts of a Petri net, and everything that may be wrong with them.
//!
//! Invariant: `build` names every fault, not the first one, and makes no net when there is one.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::{Arc, Marking, PetriNet, Place, PlaceIndex, Transition, TransitionIndex};

/// The most nodes a net may have, places and transitions together: as many as an index tells apart.
pub const MAX_NODES: usize = u32::MAX as usize;

/// One thing that is wrong with the parts of a net.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PetriNetFault {
    /// Places and transitions share one space of names.
    #[error("`{name}` names two nodes")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A node needs a name.
    #[error("a node has an empty name")]
    EmptyName,
    /// An arc ends nowhere.
    #[error("the arc from `{from}` to `{to}` names `{missing}`, which is no node")]
    UnknownNode {
        /// Where the arc starts.
        from: String,
        /// Where it ends.
        to: String,
        /// Which of the two is not there.
        missing: String,
    },
    /// An arc joins two places or two transitions.
    #[error("the arc from `{from}` to `{to}` joins two {kind}")]
    ArcBetweenAlike {
        /// Where the arc starts.
        from: String,
        /// Where it ends.
        to: String,
        /// `places` or `transitions`.
        kind: &'static str,
    },
    /// The same two nodes are joined twice in one direction; a weight says so.
    #[error("there are two arcs from `{from}` to `{to}`")]
    DuplicateArc {
        /// Where the arcs start.
        from: String,
        /// Where they end.
        to: String,
    },
    /// An arc that moves nothing.
    #[error("the arc from `{from}` to `{to}` has the weight 0")]
    ZeroWeight {
        /// Where the arc starts.
        from: String,
        /// Where it ends.
        to: String,
    },
    /// A marking names what is no place.
    #[error("the {marking} marking names `{place}`, which is no place")]
    UnknownPlace {
        /// `initial` or `final`.
        marking: &'static str,
        /// The name.
        place: String,
    },
    /// A marking names a place twice.
    #[error("the {marking} marking names `{place}` twice")]
    DuplicateMark {
        /// `initial` or `final`.
        marking: &'static str,
        /// The name.
        place: String,
    },
    /// More nodes than [`MAX_NODES`].
    #[error("the net has {nodes} nodes, over {MAX_NODES}")]
    TooManyNodes {
        /// How many there are.
        nodes: usize,
    },
}

/// Why parts make no net: every fault among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PetriNetError {
    /// At least one.
    pub faults: Vec<PetriNetFault>,
}

impl fmt::Display for PetriNetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the net is not valid: ")?;
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PetriNetError {}

/// The parts of a net, by name.
///
/// ```
/// use llmteam_orchestration::roles::mining::PetriNet;
///
/// # fn main() -> Result<(), llmteam_orchestration::roles::mining::PetriNetError> {
/// let net = PetriNet::builder()
///     .activity("draft", &["start"], &["drafted"])
///     .activity("review", &["drafted"], &["end"])
///     .silent("again", &["drafted"], &["start"])
///     .initial("start", 1)
///     .final_("end", 1)
///     .build()?;
/// assert_eq!((net.places().len(), net.transitions().len()), (3, 3));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct PetriNetBuilder {
    places: Vec<String>,
    mentioned: HashSet<String>,
    transitions: Vec<(String, Option<String>)>,
    arcs: Vec<(String, String, u32)>,
    initial: Vec<(String, u32)>,
    final_marking: Vec<(String, u32)>,
}

impl PetriNetBuilder {
    /// Adds a place.
    pub fn place(mut self, name: &str) -> Self {
        self.mentioned.insert(name.to_owned());
        self.places.push(name.to_owned());
        self
    }

    /// Adds a transition; one without a label is silent.
    pub fn transition(mut self, name: &str, label: Option<&str>) -> Self {
        let label = label.map(str::to_owned);
        self.transitions.push((name.to_owned(), label));
        self
    }

    /// Adds an arc between a place and a transition.
    pub fn arc(mut self, from: &str, to: &str, weight: u32) -> Self {
        self.arcs.push((from.to_owned(), to.to_owned(), weight));
        self
    }

    /// Adds a transition that is named as its activity, with arcs of weight 1 and the places not named before.
    pub fn activity(self, name: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        self.transition(name, Some(name))
            .joined(name, inputs, outputs)
    }

    /// Adds a silent transition, with arcs of weight 1 and the places not named before.
    pub fn silent(self, name: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        self.transition(name, None).joined(name, inputs, outputs)
    }

    /// Puts tokens into a place at the start.
    pub fn initial(mut self, place: &str, tokens: u32) -> Self {
        self.initial.push((place.to_owned(), tokens));
        self
    }

    /// Asks for tokens in a place at the end.
    pub fn final_(mut self, place: &str, tokens: u32) -> Self {
        self.final_marking.push((place.to_owned(), tokens));
        self
    }

    /// Makes the net.
    ///
    /// # Errors
    ///
    /// Every fault among the parts.
    pub fn build(self) -> Result<PetriNet, PetriNetError> {
        let nodes = self.places.len() + self.transitions.len();
        if nodes > MAX_NODES {
            let faults = vec![PetriNetFault::TooManyNodes { nodes }];
            return Err(PetriNetError { faults });
        }
        let mut faults = Vec::new();
        let names = self.names(&mut faults);
        let transitions = self.connected(&names, &mut faults);
        let initial = self.marking("initial", &self.initial, &names, &mut faults);
        let final_marking = self.marking("final", &self.final_marking, &names, &mut faults);
        if !faults.is_empty() {
            return Err(PetriNetError { faults });
        }
        let places = self.places.iter().map(|name| Place {
            name: name.as_str().into(),
        });
        Ok(PetriNet {
            places: places.collect(),
            transitions,
            initial,
            final_marking,
        })
    }

    fn joined(mut self, name: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        for place in inputs.iter().chain(outputs) {
            if !self.mentioned.contains(*place) {
                self = self.place(place);
            }
        }
        for place in inputs {
            self = self.arc(place, name, 1);
        }
        for place in outputs {
            self = self.arc(name, place, 1);
        }
        self
    }

    fn names(&self, faults: &mut Vec<PetriNetFault>) -> HashMap<&str, Node> {
        // `build` has seen to it that a `u32` counts the nodes.
        let places = self.places.iter().zip(0..);
        let places = places.map(|(name, index)| (name, Node::Place(PlaceIndex(index))));
        let transitions = self.transitions.iter().zip(0..);
        let transitions =
            transitions.map(|((name, _), index)| (name, Node::Transition(TransitionIndex(index))));
        let mut names = HashMap::new();
        for (name, node) in places.chain(transitions) {
            if name.is_empty() {
                faults.push(PetriNetFault::EmptyName);
            }
            if names.insert(name.as_str(), node).is_some() {
                faults.push(PetriNetFault::DuplicateName { name: name.clone() });
            }
        }
        names
    }

    fn connected(
        &self,
        names: &HashMap<&str, Node>,
        faults: &mut Vec<PetriNetFault>,
    ) -> Box<[Transition]> {
        let mut ends = vec![(Vec::new(), Vec::new()); self.transitions.len()];
        let mut seen = HashSet::new();
        for (from, to, weight) in &self.arcs {
            let weight = *weight;
            let names_of_ends = || (from.clone(), to.clone());
            if weight == 0 {
                let (from, to) = names_of_ends();
                faults.push(PetriNetFault::ZeroWeight { from, to });
            }
            if !seen.insert((from, to)) {
                let (from, to) = names_of_ends();
                faults.push(PetriNetFault::DuplicateArc { from, to });
            }
            match (names.get(from.as_str()), names.get(to.as_str())) {
                (Some(&Node::Place(place)), Some(Node::Transition(transition))) => {
                    ends[transition.get()].0.push(Arc { place, weight });
                }
                (Some(Node::Transition(transition)), Some(&Node::Place(place))) => {
                    ends[transition.get()].1.push(Arc { place, weight });
                }
                (Some(alike), Some(_)) => {
                    let (from, to) = names_of_ends();
                    let kind = alike.kind();
                    faults.push(PetriNetFault::ArcBetweenAlike { from, to, kind });
                }
                (known, _) => {
                    let missing = if known.is_some() { to } else { from }.clone();
                    let (from, to) = names_of_ends();
                    faults.push(PetriNetFault::UnknownNode { from, to, missing });
                }
            }
        }
        let ordered = |mut arcs: Vec<Arc>| {
            arcs.sort_by_key(|arc| arc.place);
            arcs.into_boxed_slice()
        };
        let transitions = self.transitions.iter().zip(ends);
        let transitions = transitions.map(|((name, label), (inputs, outputs))| Transition {
            name: name.as_str().into(),
            label: label.as_deref().map(Box::from),
            inputs: ordered(inputs),
            outputs: ordered(outputs),
        });
        transitions.collect()
    }

    fn marking(
        &self,
        marking: &'static str,
        tokens: &[(String, u32)],
        names: &HashMap<&str, Node>,
        faults: &mut Vec<PetriNetFault>,
    ) -> Marking {
        let mut made = Marking::empty(self.places.len());
        let mut seen = HashSet::new();
        for (name, tokens) in tokens {
            let place = name.clone();
            match names.get(name.as_str()) {
                _ if !seen.insert(name) => {
                    faults.push(PetriNetFault::DuplicateMark { marking, place });
                }
                Some(Node::Place(index)) => made.0[index.get()] = u64::from(*tokens),
                _ => faults.push(PetriNetFault::UnknownPlace { marking, place }),
            }
        }
        made
    }
}

#[derive(Clone, Copy)]
enum Node {
    Place(PlaceIndex),
    Transition(TransitionIndex),
}

impl Node {
    fn kind(self) -> &'static str {
        match self {
            Self::Place(_) => "places",
            Self::Transition(_) => "transitions",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: MM-01
    #[test]
    fn every_fault_is_named() {
        let error = PetriNet::builder()
            .place("i")
            .place("i")
            .place("")
            .transition("t", None)
            .arc("i", "t", 0)
            .arc("t", "ghost", 1)
            .arc("nobody", "t", 1)
            .arc("t", "t", 1)
            .arc("i", "t", 1)
            .initial("t", 1)
            .final_("i", 1)
            .final_("i", 2)
            .build()
            .unwrap_err();
        let faults: Vec<_> = error.faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "`i` names two nodes",
                "a node has an empty name",
                "the arc from `i` to `t` has the weight 0",
                "the arc from `t` to `ghost` names `ghost`, which is no node",
                "the arc from `nobody` to `t` names `nobody`, which is no node",
                "the arc from `t` to `t` joins two transitions",
                "there are two arcs from `i` to `t`",
                "the initial marking names `t`, which is no place",
                "the final marking names `i` twice",
            ]
        );
        assert!(
            error
                .to_string()
                .starts_with("the net is not valid: `i` names two nodes; a node")
        );
    }

    #[test]
    fn a_net_may_be_empty() {
        let net = PetriNet::builder().build().unwrap();
        assert_eq!(net.initial_marking(), net.final_marking());
        assert_eq!(net.arcs(), 0);
    }
}
