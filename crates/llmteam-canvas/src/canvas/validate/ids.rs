//! The version, the ids and the entrypoint.

use std::collections::HashSet;

use llmteam_security::id::{SegmentId, StepId};

use super::code::ValidationCode;
use super::graph::Graph;
use super::path::{Path, Quoted};
use super::report::Report;
use crate::canvas::definition::{SEGMENT_VERSION, SegmentDefinition};

const ID_RULE: &str = "an id is 1 to 128 characters of `a-z0-9_`, the first a letter";

pub(super) fn check(segment: &SegmentDefinition, report: &mut Report) {
    let root = Path::Root;
    if segment.version != SEGMENT_VERSION {
        let version = Quoted(&segment.version);
        report.add_with(
            ValidationCode::UnsupportedVersion,
            root.key("version"),
            format_args!("version {version} is not supported"),
            format_args!("write `{SEGMENT_VERSION}`"),
        );
    }
    if segment.segment_id.parse::<SegmentId>().is_err() {
        let id = Quoted(&segment.segment_id);
        report.add_with(
            ValidationCode::InvalidIdFormat,
            root.key("segment_id"),
            format_args!("{id} is not a segment id"),
            format_args!("{ID_RULE}"),
        );
    }
    check_steps(segment, report);
}

fn check_steps(segment: &SegmentDefinition, report: &mut Report) {
    let steps = Path::Root.key("steps");
    if segment.steps.is_empty() {
        report.add(
            ValidationCode::EmptySegment,
            steps,
            format_args!("the segment has no step"),
        );
    }
    let mut seen = HashSet::with_capacity(segment.steps.len());
    for (at, step) in segment.steps.iter().enumerate() {
        let step_path = steps.index(at);
        let path = step_path.key("step_id");
        let id = Quoted(&step.step_id);
        if step.step_id.parse::<StepId>().is_err() {
            report.add_with(
                ValidationCode::InvalidIdFormat,
                path,
                format_args!("{id} is not a step id"),
                format_args!("{ID_RULE}"),
            );
        }
        if !seen.insert(step.step_id.as_str()) {
            report.add(
                ValidationCode::DuplicateId,
                path,
                format_args!("the step id {id} is taken by an earlier step"),
            );
        }
    }
}

/// Checks the entrypoint; its step if there is one.
pub(super) fn check_entrypoint(
    segment: &SegmentDefinition,
    graph: &Graph<'_>,
    report: &mut Report,
) -> Option<usize> {
    let path = Path::Root.key("entrypoint");
    if !(report.readable(path) && report.readable(Path::Root.key("steps"))) {
        return None;
    }
    let Some(id) = segment.entrypoint.as_deref() else {
        report.add_with(
            ValidationCode::MissingEntrypoint,
            Path::Root,
            format_args!("no entrypoint is given, the first step is taken"),
            format_args!("name the first step in `entrypoint`"),
        );
        return (!segment.steps.is_empty()).then_some(0);
    };
    let step = graph.step(id);
    if step.is_none() {
        let message = format_args!("the entrypoint {} is no step of the segment", Quoted(id));
        report.add(ValidationCode::InvalidEntrypoint, path, message);
    }
    step
}
