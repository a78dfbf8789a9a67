//! The Petri net of a process tree.
//!
//! Invariant: the net is sound and has exactly the sequences of the tree. Choices and sequences need no silent transition;
//! a parallel node gets a silent split and a silent join, a loop a silent way in, out and, if nothing is done there, back.

use super::{Node, Operator, ProcessTree};
use crate::roles::mining::petri::{PetriNet, PetriNetBuilder};

impl ProcessTree {
    /// The net that does what the tree does, with one token in `source` at the start and one in `sink` at the end.
    ///
    /// Places are called `p1`, `p2`, …, transitions `t1`, `t2`, …, in the order in which the tree names what they are for.
    pub fn to_petri_net(&self) -> PetriNet {
        let mut parts = Parts {
            net: PetriNet::builder().place("source").place("sink"),
            places: 0,
            transitions: 0,
        };
        parts.tree(self, "source", "sink");
        let net = parts.net.initial("source", 1).final_("sink", 1).build();
        net.expect("every name is new and every arc joins a place and a transition")
    }
}

struct Parts {
    net: PetriNetBuilder,
    places: usize,
    transitions: usize,
}

impl Parts {
    /// Adds what leads from a token in `from` to a token in `to`.
    fn tree(&mut self, tree: &ProcessTree, from: &str, to: &str) {
        match &tree.node {
            Node::Silent => self.silent(&[from], &[to]),
            Node::Activity(label) => self.transition(Some(label), &[from], &[to]),
            Node::Operator(Operator::Sequence, operands) => self.sequence(operands, from, to),
            Node::Operator(Operator::Xor, operands) => {
                for operand in operands {
                    self.tree(operand, from, to);
                }
            }
            Node::Operator(Operator::Parallel, operands) => self.parallel(operands, from, to),
            Node::Operator(Operator::Loop, operands) => self.repeated(operands, from, to),
        }
    }

    fn sequence(&mut self, operands: &[ProcessTree], from: &str, to: &str) {
        let mut here = from.to_owned();
        for (index, operand) in operands.iter().enumerate() {
            let last = index + 1 == operands.len();
            let next = if last { to.to_owned() } else { self.place() };
            self.tree(operand, &here, &next);
            here = next;
        }
    }

    fn parallel(&mut self, operands: &[ProcessTree], from: &str, to: &str) {
        let places =
            |parts: &mut Self| -> Vec<String> { operands.iter().map(|_| parts.place()).collect() };
        let (begun, ended) = (places(self), places(self));
        self.silent(&[from], &names(&begun));
        for (operand, (from, to)) in operands.iter().zip(begun.iter().zip(&ended)) {
            self.tree(operand, from, to);
        }
        self.silent(&names(&ended), &[to]);
    }

    /// The places within a loop are its own: a choice that it stands in must not be entered or left half-way.
    fn repeated(&mut self, operands: &[ProcessTree], from: &str, to: &str) {
        let (begun, done) = (self.place(), self.place());
        self.silent(&[from], &[&begun]);
        for (index, operand) in operands.iter().enumerate() {
            let (from, to) = if index == 0 {
                (&begun, &done)
            } else {
                (&done, &begun)
            };
            self.tree(operand, from, to);
        }
        self.silent(&[&done], &[to]);
    }

    fn place(&mut self) -> String {
        self.places += 1;
        let name = format!("p{}", self.places);
        self.net = std::mem::take(&mut self.net).place(&name);
        name
    }

    fn silent(&mut self, inputs: &[&str], outputs: &[&str]) {
        self.transition(None, inputs, outputs);
    }

    fn transition(&mut self, label: Option<&str>, inputs: &[&str], outputs: &[&str]) {
        self.transitions += 1;
        let name = format!("t{}", self.transitions);
        let mut net = std::mem::take(&mut self.net).transition(&name, label);
        for place in inputs {
            net = net.arc(place, &name, 1);
        }
        for place in outputs {
            net = net.arc(&name, place, 1);
        }
        self.net = net;
    }
}

fn names(places: &[String]) -> Vec<&str> {
    places.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use crate::roles::mining::{PetriNet, ProcessTree, nets, petri::Transition};

    /// The transitions with their places, these by the names of another net.
    fn shape(net: &PetriNet, rename: impl Fn(&str) -> String) -> Vec<String> {
        let side = |arcs: &[crate::roles::mining::petri::Arc]| -> Vec<String> {
            arcs.iter()
                .map(|arc| rename(&net.place(arc.place).name))
                .collect()
        };
        let line = |it: &Transition| {
            let label = it.label.as_deref().unwrap_or("τ");
            let (mut from, mut to) = (side(&it.inputs), side(&it.outputs));
            from.sort();
            to.sort();
            format!("{label}: {} -> {}", from.join(","), to.join(","))
        };
        let mut lines: Vec<_> = net.transitions().iter().map(line).collect();
        lines.sort();
        lines
    }

    // covers: MM-06
    #[test]
    fn the_net_of_a_tree_with_a_choice_and_a_parallel_node_is_n4() {
        let tree: ProcessTree = "->(a, X(+(b,c), e), d)".parse().unwrap();
        let renamed = |name: &str| {
            let names = [
                ("source", "i"),
                ("sink", "o"),
                ("p1", "q1"),
                ("p2", "q6"),
                ("p3", "q2"),
                ("p4", "q3"),
                ("p5", "q4"),
                ("p6", "q5"),
            ];
            let found = names.iter().find(|(from, _)| *from == name).unwrap();
            found.1.to_owned()
        };
        let ours = shape(&tree.to_petri_net(), renamed);
        assert_eq!(ours, shape(&nets::n4(), str::to_owned));
    }

    // covers: MM-06
    #[test]
    fn a_loop_keeps_its_places_to_itself() {
        let tree: ProcessTree = "X(a, *(b,c))".parse().unwrap();
        assert_eq!(
            shape(&tree.to_petri_net(), str::to_owned),
            [
                "a: source -> sink",
                "b: p1 -> p2",
                "c: p2 -> p1",
                "τ: p2 -> sink",
                "τ: source -> p1"
            ]
        );
    }
}
