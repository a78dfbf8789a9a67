//! Edges against the effective ports of their steps.

use std::collections::{HashMap, HashSet};

use super::code::ValidationCode;
use super::graph::Graph;
use super::path::{Listed, Path, Quoted};
use super::report::Report;
use crate::canvas::catalog::StepCatalog;
use crate::canvas::definition::{
    DEFAULT_INPUT, DEFAULT_OUTPUT, ERROR_PORT, EdgeDefinition, SegmentDefinition, StepDefinition,
};
use crate::canvas::ports::EffectivePorts;

/// A join takes each edge as a slot of its own, so several edges into one port are no matter.
const PARALLEL_JOIN: &str = "parallel_join";

pub(super) fn check(
    segment: &SegmentDefinition,
    graph: &Graph<'_>,
    catalog: Option<&StepCatalog>,
    entrypoint: Option<usize>,
    report: &mut Report,
) {
    let steps = Path::Root.key("steps");
    for (at, step) in segment.steps.iter().enumerate() {
        let path = steps.index(at);
        if let Some(catalog) = catalog {
            let edges = Named::of(graph, at);
            if !edges.is_empty() && report.readable(path.key("type")) {
                check_known(step, path, &edges, catalog, report);
            }
        }
        check_fan_in(step, graph.incoming(at), report);
        if entrypoint != Some(at) {
            check_unconnected(step, path, graph.incoming(at), report);
        }
    }
}

type Edges<'a> = (usize, &'a EdgeDefinition);

/// A step's edges that name a port not accepted everywhere.
struct Named<'a> {
    outgoing: Vec<Edges<'a>>,
    incoming: Vec<Edges<'a>>,
}

impl<'a> Named<'a> {
    fn of(graph: &Graph<'a>, step: usize) -> Self {
        let outgoing = graph.outgoing(step);
        let incoming = graph.incoming(step);
        Self {
            outgoing: outgoing
                .filter(|(_, edge)| {
                    ![DEFAULT_OUTPUT, ERROR_PORT].contains(&edge.from_port.as_str())
                })
                .collect(),
            incoming: incoming
                .filter(|(_, edge)| edge.to_port != DEFAULT_INPUT)
                .collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.outgoing.is_empty() && self.incoming.is_empty()
    }
}

fn check_known(
    step: &StepDefinition,
    path: Path<'_>,
    named: &Named<'_>,
    catalog: &StepCatalog,
    report: &mut Report,
) {
    let metadata = catalog.get(&step.step_type);
    // Without its edges: a port that only an edge names is the one to be told.
    let ports = EffectivePorts::of(step, metadata.as_deref(), [], []);
    let declared = path.key("ports");
    let edges = Path::Root.key("edges");
    if report.readable(declared.key("output")) {
        let known = Known::of(step, "output", ports.outputs.iter().map(String::as_str));
        for (at, edge) in &named.outgoing {
            known.check(&edge.from_port, edges.index(*at).key("from_port"), report);
        }
    }
    if report.readable(declared.key("input")) {
        let known = Known::of(
            step,
            "input",
            ports.inputs.iter().map(|it| it.name.as_str()),
        );
        for (at, edge) in &named.incoming {
            known.check(&edge.to_port, edges.index(*at).key("to_port"), report);
        }
    }
}

/// The ports of a step in one direction.
struct Known<'a> {
    step: &'a StepDefinition,
    kind: &'static str,
    ordered: Vec<&'a str>,
    names: HashSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(
        step: &'a StepDefinition,
        kind: &'static str,
        names: impl Iterator<Item = &'a str>,
    ) -> Self {
        let ordered: Vec<_> = names.collect();
        Self {
            step,
            kind,
            names: ordered.iter().copied().collect(),
            ordered,
        }
    }

    fn check(&self, port: &str, path: Path<'_>, report: &mut Report) {
        let Self {
            step,
            kind,
            ordered,
            names,
        } = self;
        if names.contains(port) {
            return;
        }
        let declare = format_args!("declare it in the step's `ports.{kind}`");
        let message = format_args!(
            "step {} has no {kind} port {}",
            Quoted(&step.step_id),
            Quoted(port)
        );
        if ordered.is_empty() {
            report.add_with(ValidationCode::UnknownPort, path, message, declare);
        } else {
            let suggestion = format_args!("{declare}, or use one of {}", Listed(ordered));
            report.add_with(ValidationCode::UnknownPort, path, message, suggestion);
        }
    }
}

fn check_fan_in<'a>(
    step: &StepDefinition,
    edges: impl Iterator<Item = Edges<'a>>,
    report: &mut Report,
) {
    if step.step_type == PARALLEL_JOIN {
        return;
    }
    let mut by_port: HashMap<&str, (usize, usize)> = HashMap::new();
    for (at, edge) in edges {
        let (count, last) = by_port.entry(&edge.to_port).or_default();
        (*count, *last) = (*count + 1, at);
    }
    let mut crowded: Vec<_> = by_port
        .into_iter()
        .filter(|(_, (count, _))| *count > 1)
        .collect();
    crowded.sort_unstable_by_key(|(_, (_, last))| *last);
    for (port, (count, last)) in crowded {
        report.add(
            ValidationCode::PortFanIn,
            Path::Root.key("edges").index(last),
            format_args!(
                "{count} edges end in port {} of step {}; of those that carry, the one declared last gives the value",
                Quoted(port),
                Quoted(&step.step_id)
            ),
        );
    }
}

fn check_unconnected<'a>(
    step: &StepDefinition,
    path: Path<'_>,
    edges: impl Iterator<Item = Edges<'a>>,
    report: &mut Report,
) {
    let Some(declared) = step.explicit_inputs() else {
        return;
    };
    let connected: HashSet<&str> = edges.map(|(_, edge)| edge.to_port.as_str()).collect();
    for port in declared
        .iter()
        .filter(|port| !connected.contains(port.as_str()))
    {
        report.add(
            ValidationCode::UnconnectedPort,
            path,
            format_args!(
                "no edge ends in the declared input {} of step {}",
                Quoted(port),
                Quoted(&step.step_id)
            ),
        );
    }
}
