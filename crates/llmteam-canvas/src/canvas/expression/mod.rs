//! The one expression language: conditions, transforms, mappings, approval policies and routing.
//!
//! Invariant: an expression reads the names it is given and nothing else, ends within a fixed number of steps, and
//! never panics, whatever its text and whatever the values are. The syntax is CEL, parsed by the `cel` crate; the
//! meaning is our own walk over the tree: int and double mix, nothing is truthy. This module does not know steps,
//! edges or runs; who evaluates an expression hands it the values.

mod budget;
mod compile;
mod condition;
mod error;
mod evaluate;
mod functions;
mod names;
mod node;
mod operate;
mod path;
mod pattern;
mod program;
mod query;
mod transform;
mod value;

#[cfg(test)]
mod tests;

pub use budget::{MAX_BYTES, MAX_CHARS, MAX_STEPS};
pub use condition::{Condition, StepCondition};
pub use error::{ExpressionError, InvalidCondition};
pub use names::{EdgeNames, Names, StepNames};
pub use program::Program;
pub use transform::Transform;
