//! Graphs as Graphviz and Mermaid read them. Any name may be drawn: ids are numbers, names are quoted labels.

use std::fmt::Write;

use llmteam::roles::mining::PetriNet;

use crate::args::Drawing;

/// A graph to draw.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<(String, Shape)>,
    edges: Vec<(usize, usize, String)>,
}

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An activity.
    Box,
    /// A place, a beginning or an end.
    Circle,
    /// A silent transition.
    Bar,
}

impl Graph {
    /// The place of a node, which is added if it is not there.
    pub(super) fn node(&mut self, name: &str, shape: Shape) -> usize {
        let known = self
            .nodes
            .iter()
            .position(|it| it.0 == name && it.1 == shape);
        known.unwrap_or_else(|| {
            self.nodes.push((name.to_owned(), shape));
            self.nodes.len() - 1
        })
    }

    pub(super) fn edge(&mut self, from: usize, to: usize, label: String) {
        self.edges.push((from, to, label));
    }

    /// The drawing that was asked for; none where text was.
    pub(super) fn drawn(&self, drawing: Drawing) -> Option<String> {
        match (drawing.dot, drawing.mermaid) {
            (true, _) => Some(self.dot()),
            (_, true) => Some(self.mermaid()),
            _ => None,
        }
    }

    fn dot(&self) -> String {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text = "digraph model {\n  rankdir=LR;\n".to_owned();
        for (at, (name, shape)) in self.nodes.iter().enumerate() {
            let shape = match shape {
                Shape::Box => "box",
                Shape::Circle => "circle",
                Shape::Bar => "box, style=filled, fillcolor=black, width=0.1",
            };
            let name = if shape.contains("black") {
                String::new()
            } else {
                quoted(name)
            };
            let _ = writeln!(text, "  n{at} [label=\"{name}\", shape={shape}];");
        }
        for (from, to, label) in &self.edges {
            let _ = writeln!(text, "  n{from} -> n{to} [label=\"{}\"];", quoted(label));
        }
        text + "}"
    }

    fn mermaid(&self) -> String {
        let quoted = |text: &str| text.replace('"', "#quot;").replace(['\n', '\r'], " ");
        let mut text = "flowchart LR".to_owned();
        for (at, (name, shape)) in self.nodes.iter().enumerate() {
            let name = quoted(name);
            let _ = match shape {
                Shape::Box => write!(text, "\n  n{at}[\"{name}\"]"),
                Shape::Circle => write!(text, "\n  n{at}((\"{name}\"))"),
                Shape::Bar => write!(text, "\n  n{at}[[\" \"]]"),
            };
        }
        for (from, to, label) in &self.edges {
            let _ = match label.as_str() {
                "" => write!(text, "\n  n{from} --> n{to}"),
                label => write!(text, "\n  n{from} -->|\"{}\"| n{to}", quoted(label)),
            };
        }
        text
    }
}

/// A net: places are circles, activities boxes, silent transitions bars.
pub(super) fn net(net: &PetriNet) -> Graph {
    let mut graph = Graph::default();
    let start: Vec<_> = net.initial_marking().marked().map(|it| it.0).collect();
    let end: Vec<_> = net.final_marking().marked().map(|it| it.0).collect();
    let mut places = Vec::new();
    for (at, _) in net.places().iter().enumerate() {
        let is = |marked: &[llmteam::roles::mining::petri::PlaceIndex]| {
            marked.iter().any(|it| it.get() == at)
        };
        let name = match (is(&start), is(&end)) {
            (true, _) => "start",
            (_, true) => "end",
            _ => "",
        };
        graph.nodes.push((name.to_owned(), Shape::Circle));
        places.push(graph.nodes.len() - 1);
    }
    for transition in net.transitions() {
        let (name, shape) = match &transition.label {
            Some(label) => (label.to_string(), Shape::Box),
            None => (String::new(), Shape::Bar),
        };
        graph.nodes.push((name, shape));
        let at = graph.nodes.len() - 1;
        let weight = |it: u32| {
            if it == 1 {
                String::new()
            } else {
                it.to_string()
            }
        };
        for arc in &transition.inputs {
            graph.edge(places[arc.place.get()], at, weight(arc.weight));
        }
        for arc in &transition.outputs {
            graph.edge(at, places[arc.place.get()], weight(arc.weight));
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_a_drawing() {
        let mut graph = Graph::default();
        let node = graph.node("a\"]; evil \\", Shape::Box);
        graph.edge(node, node, "1".to_owned());
        assert!(
            graph
                .dot()
                .contains(r#"n0 [label="a\"]; evil \\", shape=box];"#)
        );
        assert!(graph.mermaid().contains(r#"n0["a#quot;]; evil \"]"#));
        assert!(graph.mermaid().ends_with(r#"n0 -->|"1"| n0"#));
    }
}
