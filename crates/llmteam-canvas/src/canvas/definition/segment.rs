//! The segment: steps, edges and what holds for all of them.

use serde::Serialize;
use serde_json::Value;

use super::{EdgeDefinition, Object, SEGMENT_VERSION, SegmentParams, StepDefinition};

/// A whole segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentDefinition {
    /// The version of the contract, `1.0`.
    pub version: String,
    /// The segment's id.
    pub segment_id: String,
    /// A name for people.
    pub name: String,
    /// What the segment is for.
    pub description: String,
    /// The step a run begins with; the first one if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// Run parameters.
    pub params: SegmentParams,
    /// The steps in declaration order.
    pub steps: Vec<StepDefinition>,
    /// The edges in declaration order.
    pub edges: Vec<EdgeDefinition>,
    /// Free for the host's use.
    pub metadata: Object,
}

impl SegmentDefinition {
    /// An empty segment with default parameters.
    pub fn new(segment_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            version: SEGMENT_VERSION.to_owned(),
            segment_id: segment_id.into(),
            name: name.into(),
            description: String::new(),
            entrypoint: None,
            params: SegmentParams::default(),
            steps: Vec::new(),
            edges: Vec::new(),
            metadata: Object::new(),
        }
    }

    /// The step a run begins with: the one named, else the first.
    ///
    /// The name is not checked; `None` only for a segment that names none and has no step.
    pub fn effective_entrypoint(&self) -> Option<&str> {
        self.entrypoint
            .as_deref()
            .or_else(|| self.steps.first().map(|step| step.step_id.as_str()))
    }

    /// The step with this id; the first one should the id be repeated.
    pub fn get_step(&self, step_id: &str) -> Option<&StepDefinition> {
        self.steps.iter().find(|step| step.step_id == step_id)
    }

    /// The edges that leave a step, in declaration order.
    pub fn get_outgoing_edges(&self, step_id: &str) -> Vec<&EdgeDefinition> {
        self.edges
            .iter()
            .filter(|edge| edge.from_step == step_id)
            .collect()
    }

    /// The edges that enter a step, in declaration order.
    pub fn get_incoming_edges(&self, step_id: &str) -> Vec<&EdgeDefinition> {
        self.edges
            .iter()
            .filter(|edge| edge.to_step == step_id)
            .collect()
    }

    /// The ids that the step's edges lead to, in edge order.
    pub fn get_next_steps(&self, step_id: &str) -> Vec<&str> {
        self.edges
            .iter()
            .filter(|edge| edge.from_step == step_id)
            .map(|edge| edge.to_step.as_str())
            .collect()
    }

    /// The ids that lead to the step, in edge order.
    pub fn get_previous_steps(&self, step_id: &str) -> Vec<&str> {
        self.edges
            .iter()
            .filter(|edge| edge.to_step == step_id)
            .map(|edge| edge.from_step.as_str())
            .collect()
    }

    /// The segment as a JSON value.
    ///
    /// # Errors
    /// A number that JSON cannot write, which no segment read from JSON holds.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }

    /// The segment as JSON text over several lines, indented by two blanks.
    ///
    /// # Errors
    /// As [`Self::to_value`].
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        self.to_json_indented(2)
    }

    /// The segment as JSON text over several lines with an indent of its own.
    ///
    /// # Errors
    /// As [`Self::to_value`].
    pub fn to_json_indented(&self, indent: usize) -> Result<String, serde_json::Error> {
        let indent = " ".repeat(indent);
        let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        self.serialize(&mut serializer)?;
        String::from_utf8(bytes).map_err(serde::ser::Error::custom)
    }

    /// The segment in the canonical form of RFC 8785: the bytes that are hashed.
    ///
    /// # Errors
    /// As [`Self::to_value`].
    pub fn canonical_json(&self) -> Result<String, serde_json::Error> {
        serde_json_canonicalizer::to_string(self)
    }
}
