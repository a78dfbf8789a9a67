//! What validation answers: messages, each with its code, its place and, where there is one, a way out.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::code::{ValidationCode, ValidationSeverity};
use crate::canvas::error::SegmentValidationError;

/// One answer holds this many messages of a severity; one more stands for the rest.
pub const MAX_MESSAGES: usize = 10_000;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValidationMessage {
    /// How grave it is.
    pub severity: ValidationSeverity,
    /// What it is about.
    pub code: ValidationCode,
    /// What is wrong, for people.
    pub message: String,
    /// Where in the document, such as `steps[0].config.llm_ref`; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What to do about it; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub suggestion: String,
}

impl fmt::Display for ValidationMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.severity, self.code)?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// All findings of one validation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidationResult {
    /// The findings, in the order they were made.
    pub messages: Vec<ValidationMessage>,
    /// Whether a warning makes the segment invalid (V-04).
    pub strict: bool,
}

impl ValidationResult {
    /// Whether there is no error and, when strict, no warning.
    pub fn is_valid(&self) -> bool {
        !self.messages.iter().any(|it| self.refuses(it))
    }

    /// The messages of severity `error`.
    pub fn errors(&self) -> impl Iterator<Item = &ValidationMessage> {
        self.of(ValidationSeverity::Error)
    }

    /// The messages of severity `warning`.
    pub fn warnings(&self) -> impl Iterator<Item = &ValidationMessage> {
        self.of(ValidationSeverity::Warning)
    }

    /// Whether some message has the code.
    pub fn has(&self, code: ValidationCode) -> bool {
        self.messages.iter().any(|it| it.code == code)
    }

    /// Adds an error.
    pub fn add_error(
        &mut self,
        code: ValidationCode,
        message: impl Into<String>,
        path: impl Into<String>,
    ) {
        self.add(ValidationSeverity::Error, code, message.into(), path.into());
    }

    /// Adds a warning.
    pub fn add_warning(
        &mut self,
        code: ValidationCode,
        message: impl Into<String>,
        path: impl Into<String>,
    ) {
        self.add(
            ValidationSeverity::Warning,
            code,
            message.into(),
            path.into(),
        );
    }

    /// Adds a remark.
    pub fn add_info(
        &mut self,
        code: ValidationCode,
        message: impl Into<String>,
        path: impl Into<String>,
    ) {
        self.add(ValidationSeverity::Info, code, message.into(), path.into());
    }

    /// The refusal of an invalid segment as an error.
    ///
    /// # Errors
    /// [`SegmentValidationError`] with the text of every message that refuses the segment.
    pub fn raise_if_invalid(self) -> Result<Self, SegmentValidationError> {
        if self.is_valid() {
            return Ok(self);
        }
        let refusing = self.messages.iter().filter(|it| self.refuses(it));
        let errors = refusing.map(|it| it.message.clone()).collect();
        Err(SegmentValidationError::new(errors, Some(self)))
    }

    fn refuses(&self, message: &ValidationMessage) -> bool {
        match message.severity {
            ValidationSeverity::Error => true,
            ValidationSeverity::Warning => self.strict,
            ValidationSeverity::Info => false,
        }
    }

    fn of(&self, severity: ValidationSeverity) -> impl Iterator<Item = &ValidationMessage> {
        self.messages
            .iter()
            .filter(move |it| it.severity == severity)
    }

    fn add(
        &mut self,
        severity: ValidationSeverity,
        code: ValidationCode,
        message: String,
        path: String,
    ) {
        self.messages.push(ValidationMessage {
            severity,
            code,
            message,
            path,
            suggestion: String::new(),
        });
    }
}

impl Serialize for ValidationResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("ValidationResult", 4)?;
        object.serialize_field("is_valid", &self.is_valid())?;
        object.serialize_field("error_count", &self.errors().count())?;
        object.serialize_field("warning_count", &self.warnings().count())?;
        object.serialize_field("messages", &self.messages)?;
        object.end()
    }
}
