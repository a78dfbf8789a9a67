//! An edge: which output port feeds which input port, and under which condition.

use serde::Serialize;

use super::{DEFAULT_INPUT, DEFAULT_OUTPUT};

/// One edge of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EdgeDefinition {
    /// The step the edge leaves.
    #[serde(rename = "from")]
    pub from_step: String,
    /// The output port it leaves by.
    pub from_port: String,
    /// The step the edge enters.
    #[serde(rename = "to")]
    pub to_step: String,
    /// The input port it enters by.
    pub to_port: String,
    /// When the edge carries; an empty text is read as none.
    #[serde(skip_serializing_if = "no_condition")]
    pub condition: Option<String>,
}

impl EdgeDefinition {
    /// An edge between the default ports, without a condition.
    pub fn new(from_step: impl Into<String>, to_step: impl Into<String>) -> Self {
        Self {
            from_step: from_step.into(),
            from_port: DEFAULT_OUTPUT.to_owned(),
            to_step: to_step.into(),
            to_port: DEFAULT_INPUT.to_owned(),
            condition: None,
        }
    }
}

fn no_condition(condition: &Option<String>) -> bool {
    condition.as_deref().is_none_or(str::is_empty)
}
