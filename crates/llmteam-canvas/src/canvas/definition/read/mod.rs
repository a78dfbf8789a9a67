//! From bytes to a definition: every fault of the document with its place, never a panic.
//!
//! Invariant: a definition comes out for any JSON object, with defaults in place of what could not
//! be read; whether it may be used is what the report says. Knows the contract, not the rules of graphs.

mod fields;
mod json;
mod segment;

pub use self::json::MAX_BYTES;
pub(crate) use self::segment::{document, segment};

#[cfg(test)]
mod tests;
