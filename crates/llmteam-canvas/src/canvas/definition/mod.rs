//! The segment as people write it: the JSON contract of the canvas.
//!
//! Invariant: a definition can hold any graph, a faulty one included; whether it may run is
//! decided by validation. This module does not know step types, plans or runs.

mod edge;
mod number;
mod params;
mod port;
pub(crate) mod read;
mod segment;
mod step;

pub use self::edge::EdgeDefinition;
pub use self::params::SegmentParams;
pub use self::port::{PortDefinition, PortType};
pub use self::read::MAX_BYTES;
pub use self::segment::SegmentDefinition;
pub use self::step::{StepDefinition, StepPosition, StepUIMetadata};

/// A JSON object.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// The version every segment has: the only one there is.
pub const SEGMENT_VERSION: &str = "1.0";
/// The input port of a step that names none.
pub const DEFAULT_INPUT: &str = "input";
/// The output port of a step that names none.
pub const DEFAULT_OUTPUT: &str = "output";
/// The output port that carries the error of a failed step.
pub const ERROR_PORT: &str = "error";

#[cfg(test)]
mod tests;
