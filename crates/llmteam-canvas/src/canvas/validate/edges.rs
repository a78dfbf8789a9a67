//! What each edge says on its own: its two ends.

use super::code::ValidationCode;
use super::graph::Graph;
use super::path::{Path, Quoted};
use super::report::Report;
use crate::canvas::definition::SegmentDefinition;

pub(super) fn check(segment: &SegmentDefinition, graph: &Graph<'_>, report: &mut Report) {
    let edges = Path::Root.key("edges");
    // Steps that could not be read at all would make every edge look wrong.
    let check_ends = report.readable(Path::Root.key("steps"));
    for (at, (edge, ends)) in segment.edges.iter().zip(&graph.ends).enumerate() {
        let path = edges.index(at);
        let both = [
            ("from", &edge.from_step, ends.0),
            ("to", &edge.to_step, ends.1),
        ];
        for (key, id, end) in both {
            if check_ends && end.is_none() {
                report.add(
                    ValidationCode::InvalidReference,
                    path.key(key),
                    format_args!("the edge's `{key}` names {}, which is no step", Quoted(id)),
                );
            }
        }
        if edge.from_step == edge.to_step && !edge.from_step.is_empty() {
            report.add(
                ValidationCode::SelfLoop,
                path,
                format_args!(
                    "the edge leads from {} back to itself",
                    Quoted(&edge.from_step)
                ),
            );
        }
    }
}
