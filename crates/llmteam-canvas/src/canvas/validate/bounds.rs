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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::canvas::catalog::StepCatalog;
    use crate::canvas::definition::{EdgeDefinition, StepDefinition};
    use crate::canvas::validate::{SegmentValidator, ValidationResult};

    fn validator() -> SegmentValidator {
        SegmentValidator::new().catalog(StepCatalog::with_builtins())
    }

    /// As many steps as there may be.
    fn largest(edges: usize) -> SegmentDefinition {
        let steps = MAX_STEPS;
        let step = |at: usize| StepDefinition::new(format!("step_{at}"), "transform");
        let edge = |at: usize| {
            let (from, to) = (at % steps, (at * 7 + 1) % steps);
            EdgeDefinition::new(format!("step_{from}"), format!("step_{to}"))
        };
        SegmentDefinition {
            entrypoint: Some("step_0".to_owned()),
            steps: (0..steps).map(step).collect(),
            edges: (0..edges).map(edge).collect(),
            ..SegmentDefinition::new("large", "Large")
        }
    }

    #[track_caller]
    fn too_large(result: &ValidationResult, path: &str) {
        let found: Vec<_> = result
            .messages
            .iter()
            .map(|it| (it.code, it.path.as_str()))
            .collect();
        assert_eq!(found, [(ValidationCode::TooLarge, path)]);
    }

    #[test]
    fn the_largest_segment_is_accepted_and_one_more_is_refused() {
        let text = largest(MAX_EDGES).to_json().unwrap();
        let result = validator().validate_json(&text);
        assert_eq!(result.errors().count(), 0, "{:?}", result.messages.first());
        let text = largest(MAX_EDGES + 1).to_json().unwrap();
        too_large(&validator().validate_json(&text), "edges");
        too_large(&validator().validate(&largest(MAX_EDGES + 1)), "edges");
        let mut steps = largest(0);
        steps.steps.push(StepDefinition::new("more", "transform"));
        too_large(&validator().validate(&steps), "steps");
    }

    // Every pass has its worst graph, and must stay linear on it.

    #[test]
    fn a_hub_with_a_port_per_edge_is_answered() {
        let mut hub = largest(0);
        for at in 0..MAX_EDGES {
            hub.edges.push(EdgeDefinition {
                from_port: format!("p{at}"),
                to_port: format!("p{at}"),
                ..EdgeDefinition::new("step_0", "step_0")
            });
        }
        assert!(validator().validate(&hub).is_valid());
    }

    #[test]
    fn splits_without_end_are_answered() {
        let mut splits = largest(MAX_EDGES);
        for step in &mut splits.steps {
            step.step_type = "parallel_split".to_owned();
            step.config.insert("branches".to_owned(), json!(u64::MAX));
        }
        for edge in &mut splits.edges {
            edge.from_port = "branch_256".to_owned();
        }
        let result = validator().validate(&splits);
        assert!(result.has(ValidationCode::ValueTooLarge));
        assert!(!result.has(ValidationCode::UnknownPort));
    }

    #[test]
    fn loops_in_loops_are_answered() {
        let mut nested = largest(0);
        let id = |at: usize| format!("step_{at}");
        for at in 1..MAX_STEPS {
            nested.edges.push(EdgeDefinition::new(id(at - 1), id(at)));
            nested
                .edges
                .push(EdgeDefinition::new(id(MAX_STEPS - 1), id(at)));
        }
        let result = validator().validate(&nested);
        let loops = result
            .messages
            .iter()
            .filter(|it| it.code == ValidationCode::Cycle);
        assert_eq!(loops.count(), MAX_STEPS - 1);
    }
}
