//! Gathering findings while passes walk over a segment.
//!
//! Invariant: what could not be read is reported once; later passes saying more about the same place
//! are not heard. The number of messages is bounded, whatever the document.

use std::collections::HashSet;
use std::fmt;

use super::code::{ValidationCode, ValidationSeverity};
use super::message::{MAX_MESSAGES, ValidationMessage};
use super::path::{Path, prefixes};

/// The findings so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    messages: Vec<ValidationMessage>,
    counts: [usize; 3],
    unreadable: HashSet<String>,
}

impl Report {
    /// Adds a finding, unless its place could not be read in the first place.
    pub(crate) fn add(
        &mut self,
        code: ValidationCode,
        path: Path<'_>,
        message: fmt::Arguments<'_>,
    ) {
        self.add_with(code, path, message, format_args!(""));
    }

    /// Adds a finding and what to do about it.
    pub(crate) fn add_with(
        &mut self,
        code: ValidationCode,
        path: Path<'_>,
        message: fmt::Arguments<'_>,
        suggestion: fmt::Arguments<'_>,
    ) {
        if self.readable(path) && self.has_room(code.severity()) {
            self.messages.push(ValidationMessage {
                severity: code.severity(),
                code,
                message: message.to_string(),
                path: path.to_string(),
                suggestion: suggestion.to_string(),
            });
        }
    }

    /// Adds a finding and takes its place for unreadable from here on.
    pub(crate) fn unreadable(
        &mut self,
        code: ValidationCode,
        path: Path<'_>,
        message: fmt::Arguments<'_>,
    ) {
        self.add(code, path, message);
        self.set_unreadable(path);
    }

    /// Takes a place for unreadable without saying so.
    pub(crate) fn set_unreadable(&mut self, path: Path<'_>) {
        if self.unreadable.len() < 4 * MAX_MESSAGES {
            self.unreadable.insert(path.to_string());
        }
    }

    /// Whether the place and everything above it could be read.
    pub(crate) fn readable(&self, path: Path<'_>) -> bool {
        self.unreadable.is_empty()
            || !prefixes(&path.to_string()).any(|prefix| self.unreadable.contains(prefix))
    }

    /// Whether everything could be read.
    pub(crate) fn all_readable(&self) -> bool {
        self.unreadable.is_empty()
    }

    /// Whether there are as many errors as one answer holds.
    pub(crate) fn is_full(&self) -> bool {
        self.counts[ValidationSeverity::Error as usize] > MAX_MESSAGES
    }

    /// Whether an error was found.
    pub(crate) fn has_errors(&self) -> bool {
        self.counts[ValidationSeverity::Error as usize] > 0
    }

    /// The findings.
    pub(crate) fn into_messages(self) -> Vec<ValidationMessage> {
        self.messages
    }

    fn has_room(&mut self, severity: ValidationSeverity) -> bool {
        let count = &mut self.counts[severity as usize];
        *count += 1;
        if *count == MAX_MESSAGES + 1 {
            self.messages.push(ValidationMessage {
                severity,
                code: ValidationCode::TooManyMessages,
                message: format!(
                    "more than {MAX_MESSAGES} messages of this severity, the rest is left out"
                ),
                path: String::new(),
                suggestion: String::new(),
            });
        }
        *count <= MAX_MESSAGES
    }
}
