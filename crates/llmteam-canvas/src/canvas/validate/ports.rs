//! Edges against the effective ports of their steps.

use std::collections::HashMap;

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
        let ports_path = path.key("ports");
        if let Some(catalog) = catalog
            && report.readable(path.key("type"))
            && report.readable(ports_path)
        {
            let metadata = catalog.get(&step.step_type);
            let known = EffectivePorts::of(step, metadata.as_deref(), [], []);
            if report.readable(ports_path.key("output")) {
                check_outputs(step, &known, graph.outgoing(at), report);
            }
            if report.readable(ports_path.key("input")) {
                check_inputs(step, &known, graph.incoming(at), report);
            }
        }
        check_fan_in(step, graph.incoming(at), report);
        if entrypoint != Some(at) {
            check_unconnected(step, path, graph.incoming(at), report);
        }
    }
}

type Edges<'a> = (usize, &'a EdgeDefinition);

fn check_outputs<'a>(
    step: &StepDefinition,
    known: &EffectivePorts,
    edges: impl Iterator<Item = Edges<'a>>,
    report: &mut Report,
) {
    let names = Known::of(known.outputs.iter().map(String::as_str));
    for (at, edge) in edges {
        let port = edge.from_port.as_str();
        if ![DEFAULT_OUTPUT, ERROR_PORT].contains(&port) && !names.has(port) {
            names.unknown(
                step,
                port,
                "output",
                Path::Root.key("edges").index(at).key("from_port"),
                report,
            );
        }
    }
}

fn check_inputs<'a>(
    step: &StepDefinition,
    known: &EffectivePorts,
    edges: impl Iterator<Item = Edges<'a>>,
    report: &mut Report,
) {
    let names = Known::of(known.inputs.iter().map(|it| it.name.as_str()));
    for (at, edge) in edges {
        let port = edge.to_port.as_str();
        if port != DEFAULT_INPUT && !names.has(port) {
            names.unknown(
                step,
                port,
                "input",
                Path::Root.key("edges").index(at).key("to_port"),
                report,
            );
        }
    }
}

/// The ports of one direction, ready for many questions.
struct Known<'a> {
    ordered: Vec<&'a str>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Known<'a> {
    fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let ordered: Vec<_> = names.collect();
        let places = ordered
            .iter()
            .enumerate()
            .map(|(at, name)| (*name, at))
            .collect();
        Self { ordered, places }
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    fn unknown(
        &self,
        step: &StepDefinition,
        port: &str,
        kind: &str,
        path: Path<'_>,
        report: &mut Report,
    ) {
        report.add_with(
            ValidationCode::UnknownPort,
            path,
            format_args!(
                "step {} has no {kind} port {}",
                Quoted(&step.step_id),
                Quoted(port)
            ),
            format_args!(
                "declare it in the step's `ports.{kind}`, or use one of {}",
                Listed(&self.ordered)
            ),
        );
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
    let connected = Known::of(edges.map(|(_, edge)| edge.to_port.as_str()));
    for port in declared.iter().filter(|port| !connected.has(port)) {
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
