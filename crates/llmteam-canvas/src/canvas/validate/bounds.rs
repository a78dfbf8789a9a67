//! Sizes and run parameters.

use super::code::ValidationCode;
use super::path::Path;
use super::report::Report;
use crate::canvas::definition::{SegmentDefinition, SegmentParams};

/// The most steps a segment has.
pub const MAX_STEPS: usize = 10_000;
/// The most edges a segment has.
pub const MAX_EDGES: usize = 100_000;

/// Whether the segment is small enough to be looked at.
pub(super) fn check_size(segment: &SegmentDefinition, report: &mut Report) -> bool {
    let sizes = [
        ("steps", segment.steps.len(), MAX_STEPS),
        ("edges", segment.edges.len(), MAX_EDGES),
    ];
    for (name, count, most) in sizes {
        if count > most {
            let message =
                format_args!("{count} {name} are more than the {most} a segment may have");
            report.add(ValidationCode::TooLarge, Path::Root.key(name), message);
        }
    }
    sizes.iter().all(|(_, count, most)| count <= most)
}

pub(super) fn check_params(params: &SegmentParams, report: &mut Report) {
    let path = Path::Root.key("params");
    let timeout = params.timeout_seconds;
    if !(timeout.is_finite() && timeout >= 0.0) {
        let message = format_args!("`timeout_seconds` must be at least 0, not {timeout}");
        report.add(
            ValidationCode::InvalidParam,
            path.key("timeout_seconds"),
            message,
        );
    }
    if params.max_iterations == 0 {
        let message = format_args!("`max_iterations` must be at least 1, not 0");
        report.add(
            ValidationCode::InvalidParam,
            path.key("max_iterations"),
            message,
        );
    }
}
