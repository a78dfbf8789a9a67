//! Finding everything that is wrong with a segment before it runs.
//!
//! One pass per file, each pure and linear in the segment; a finding never stops the passes after it.
//! Knows the rules of graphs and the catalog, not how a run goes.

pub(crate) mod bounds;
mod code;
mod config;
mod edges;
mod expressions;
mod graph;
mod ids;
mod message;
pub(crate) mod path;
mod ports;
mod reach;
pub(crate) mod report;

pub use self::bounds::{MAX_EDGES, MAX_STEPS};
pub use self::code::{ValidationCode, ValidationSeverity};
pub use self::message::{MAX_MESSAGES, ValidationMessage, ValidationResult};

use self::graph::Graph;
use self::report::Report;
use super::catalog::StepCatalog;
use super::definition::{SegmentDefinition, read};

/// Validates a segment's JSON without a catalog; see [`SegmentValidator::validate_json`].
pub fn validate_segment_dict(json: impl AsRef<[u8]>) -> ValidationResult {
    SegmentValidator::new().validate_json(json)
}

/// Validates a segment, with a catalog also its step types, ports and configs.
pub fn validate_segment(
    segment: &SegmentDefinition,
    catalog: Option<&StepCatalog>,
) -> ValidationResult {
    let validator = SegmentValidator {
        catalog: catalog.cloned(),
        strict: false,
    };
    validator.validate(segment)
}

/// Validation with its options.
///
/// ```
/// use llmteam_canvas::canvas::catalog::StepCatalog;
/// use llmteam_canvas::canvas::validate::{SegmentValidator, ValidationCode};
///
/// let validator = SegmentValidator::new().catalog(StepCatalog::with_builtins());
/// let result = validator.validate_json(r#"{"segment_id": "hello", "name": "Hello"}"#);
/// assert!(!result.is_valid());
/// assert_eq!(result.messages[0].code, ValidationCode::MissingField);
/// assert_eq!(result.messages[0].path, "steps");
/// ```
#[derive(Clone, Debug, Default)]
pub struct SegmentValidator {
    catalog: Option<StepCatalog>,
    strict: bool,
}

impl SegmentValidator {
    /// Structure only, warnings allowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also checks step types, ports and configs against a catalog.
    #[must_use]
    pub fn catalog(self, catalog: StepCatalog) -> Self {
        let catalog = Some(catalog);
        Self { catalog, ..self }
    }

    /// Whether a warning makes a segment invalid; not by default.
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Validates any bytes: what can be read of the document and then the segment in it.
    pub fn validate_json(&self, json: impl AsRef<[u8]>) -> ValidationResult {
        let mut report = Report::default();
        if let Some(segment) = read::document(json.as_ref(), &mut report) {
            self.check(&segment, &mut report);
        }
        self.result(report)
    }

    /// Validates a segment.
    pub fn validate(&self, segment: &SegmentDefinition) -> ValidationResult {
        let mut report = Report::default();
        self.check(segment, &mut report);
        self.result(report)
    }

    fn check(&self, segment: &SegmentDefinition, report: &mut Report) {
        if !bounds::check_size(segment, report) {
            return;
        }
        let graph = Graph::of(segment);
        ids::check(segment, report);
        let entrypoint = ids::check_entrypoint(segment, &graph, report);
        bounds::check_params(&segment.params, report);
        edges::check(segment, &graph, report);
        expressions::check_conditions(segment, report);
        if let Some(entrypoint) = entrypoint {
            reach::check(segment, &graph, entrypoint, report);
        }
        ports::check(segment, &graph, self.catalog.as_ref(), entrypoint, report);
        if let Some(catalog) = &self.catalog {
            config::check(segment, catalog, report);
            expressions::check_transforms(segment, report);
        }
    }

    fn result(&self, report: Report) -> ValidationResult {
        ValidationResult {
            messages: report.into_messages(),
            strict: self.strict,
        }
    }
}

#[cfg(test)]
mod tests;
