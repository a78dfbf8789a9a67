//! The errors of the canvas: what refuses a segment or a step before anything runs.

use std::fmt;

pub use super::expression::InvalidCondition as InvalidConditionError;
use super::validate::ValidationResult;

/// Anything the canvas refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CanvasError {
    /// The segment is invalid.
    #[error(transparent)]
    SegmentValidation(#[from] SegmentValidationError),
    /// The catalog does not have a step type.
    #[error(transparent)]
    StepTypeNotFound(#[from] StepTypeNotFoundError),
    /// A step's config breaks the schema of its type.
    #[error(transparent)]
    InvalidStepConfig(#[from] InvalidStepConfigError),
    /// A condition cannot be read, or has no truth value.
    #[error(transparent)]
    InvalidCondition(#[from] InvalidConditionError),
}

/// A segment that must not run, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentValidationError {
    errors: Vec<String>,
    result: Option<Box<ValidationResult>>,
    text: Option<String>,
}

impl SegmentValidationError {
    /// The refusal for a list of reasons, with the whole result where there is one.
    pub fn new(errors: Vec<String>, result: Option<ValidationResult>) -> Self {
        Self {
            errors,
            result: result.map(Box::new),
            text: None,
        }
    }

    /// The refusal for one reason, which is the error's whole text.
    pub fn from_text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            errors: vec![text.clone()],
            result: None,
            text: Some(text),
        }
    }

    /// The reasons.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// The validation that found them.
    pub fn result(&self) -> Option<&ValidationResult> {
        self.result.as_deref()
    }
}

impl fmt::Display for SegmentValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => write!(f, "Segment validation failed: {}", self.errors.join(", ")),
        }
    }
}

impl std::error::Error for SegmentValidationError {}

/// A step names a type that the catalog does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Step type '{type_id}' not found in catalog")]
pub struct StepTypeNotFoundError {
    /// The id that names no type.
    pub type_id: String,
}

/// A step's config breaks the schema of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid config for step type '{type_id}': {}", errors.join(", "))]
pub struct InvalidStepConfigError {
    /// The step's type.
    pub type_id: String,
    /// What is wrong, one sentence each.
    pub errors: Vec<String>,
}
