//! Conditions: can they be read at all.

use super::code::ValidationCode;
use super::path::Path;
use super::report::Report;
use crate::canvas::definition::SegmentDefinition;

const LONGEST: usize = 1_000;

pub(super) fn check_conditions(segment: &SegmentDefinition, report: &mut Report) {
    let edges = Path::Root.key("edges");
    for (at, edge) in segment.edges.iter().enumerate() {
        let condition = edge.condition.as_deref().filter(|it| !it.is_empty());
        let fault = match condition {
            Some(text) if text.trim().is_empty() => "a condition of blanks only",
            Some(text) if text.chars().count() > LONGEST => {
                "a condition of more than 1,000 characters"
            }
            _ => continue,
        };
        let path = edges.index(at);
        report.add(
            ValidationCode::InvalidCondition,
            path.key("condition"),
            format_args!("{fault}"),
        );
    }
}
