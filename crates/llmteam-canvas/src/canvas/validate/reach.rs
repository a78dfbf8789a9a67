//! What follows from the whole graph: steps out of reach, and loops.

use super::code::ValidationCode;
use super::graph::Graph;
use super::path::{Listed, Path, Quoted};
use super::report::Report;
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::loops::{self, Loop};

pub(super) fn check(
    segment: &SegmentDefinition,
    graph: &Graph<'_>,
    entrypoint: usize,
    report: &mut Report,
) {
    if !graph_is_readable(segment, report) {
        return;
    }
    let next: Vec<_> = (0..segment.steps.len())
        .map(|step| graph.next(step))
        .collect();
    let found = loops::search(&next, entrypoint);
    let steps = Path::Root.key("steps");
    for (at, step) in segment.steps.iter().enumerate() {
        // A repeated id is reported as such; no edge can mean the later step.
        if !found.reached[at] && graph.step(&step.step_id) == Some(at) {
            let id = Quoted(&step.step_id);
            let message = format_args!("no path leads from the entrypoint to step {id}");
            report.add(ValidationCode::UnreachableStep, steps.index(at), message);
        }
    }
    for Loop { header, members } in &found.loops {
        let id = |step: &usize| segment.steps[*step].step_id.as_str();
        let names: Vec<_> = members.iter().map(id).collect();
        report.add(
            ValidationCode::Cycle,
            steps.index(*header),
            format_args!(
                "{} repeat as a loop with header {}, at most {} times",
                Listed(&names),
                Quoted(id(header)),
                segment.params.max_iterations
            ),
        );
    }
}

fn graph_is_readable(segment: &SegmentDefinition, report: &Report) -> bool {
    if report.all_readable() {
        return true;
    }
    let (steps, edges) = (Path::Root.key("steps"), Path::Root.key("edges"));
    let ids = (0..segment.steps.len()).all(|at| report.readable(steps.index(at).key("step_id")));
    let mut ends = (0..segment.edges.len()).map(|at| {
        let edge = edges.index(at);
        report.readable(edge.key("from")) && report.readable(edge.key("to"))
    });
    report.readable(steps) && report.readable(edges) && ids && ends.all(|it| it)
}
