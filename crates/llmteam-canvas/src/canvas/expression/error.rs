//! Why a text is no condition or expression, and why one could not be evaluated.
//!
//! Invariant: an error carries the text as it was written and one reason in plain words; neither holds a value that
//! the expression looked at. It does not know which step or edge the text belongs to: the caller says so.

use std::borrow::Cow;

/// A condition that cannot be compiled, cannot be evaluated, or yields something else than true or false.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid condition '{condition}': {reason}")]
pub struct InvalidCondition {
    /// The condition as written; cut when it is over the length limit.
    pub condition: String,
    /// What is wrong with it.
    pub reason: String,
}

/// An expression that cannot be compiled or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid expression `{expression}`: {reason}")]
pub struct ExpressionError {
    /// The expression as written; cut when it is over the length limit.
    pub expression: String,
    /// What is wrong with it.
    pub reason: String,
}

impl InvalidCondition {
    pub(super) fn new(condition: &str, reason: impl Into<String>) -> Self {
        Self {
            condition: shown(condition),
            reason: reason.into(),
        }
    }
}

impl ExpressionError {
    pub(super) fn new(expression: &str, reason: impl Into<String>) -> Self {
        Self {
            expression: shown(expression),
            reason: reason.into(),
        }
    }
}

/// Why an evaluation stopped.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// A value does not fit its use. `&&`, `||`, `all` and `exists` drop it when another operand decides.
    Value(Cow<'static, str>),
    /// A limit is reached: nothing in the expression can make up for that.
    Limit(Cow<'static, str>),
}

impl Fault {
    pub(super) fn value(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Value(reason.into())
    }

    pub(super) fn into_reason(self) -> String {
        let (Self::Value(reason) | Self::Limit(reason)) = self;
        reason.into_owned()
    }
}

/// A text that an error repeats: whole within the length limit, else its beginning.
fn shown(text: &str) -> String {
    match text.char_indices().nth(super::budget::MAX_CHARS) {
        None => text.to_owned(),
        Some(_) => text.chars().take(60).chain(['…']).collect(),
    }
}
