//! A compiled expression of the language: plain CEL, without the short forms of conditions and transforms.

use serde_json::Value;

use super::compile::compile;
use super::error::{ExpressionError, Fault};
use super::evaluate::evaluate;
use super::names::Names;
use super::node::Node;
use super::value::Val;

/// A compiled expression: no I/O, no time, no randomness, bounded cost.
#[derive(Clone, Debug)]
pub struct Program {
    text: Box<str>,
    root: Node,
}

impl Program {
    /// Compiles a text of at most 1,000 characters.
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        match compile(text) {
            Ok(root) => Ok(Self {
                text: text.into(),
                root,
            }),
            Err(reason) => Err(ExpressionError::new(text, reason)),
        }
    }

    /// Evaluates the expression to a JSON value of at most 64 KiB.
    pub fn evaluate(&self, names: &dyn Names) -> Result<Value, ExpressionError> {
        evaluate(&self.root, names)
            .and_then(Val::into_json)
            .map_err(|fault| self.error(fault))
    }

    /// Evaluates an expression that must yield true or false.
    pub fn holds(&self, names: &dyn Names) -> Result<bool, ExpressionError> {
        self.decide(names).map_err(|fault| self.error(fault))
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn decide(&self, names: &dyn Names) -> Result<bool, Fault> {
        match evaluate(&self.root, names)? {
            Val::Bool(it) => Ok(it),
            other => Err(Fault::value(format!(
                "the result is {} and not bool",
                other.type_name()
            ))),
        }
    }

    fn error(&self, fault: Fault) -> ExpressionError {
        ExpressionError::new(&self.text, fault.into_reason())
    }
}
