//! The segment: steps, edges and what holds for all of them.

use std::collections::HashSet;

use llmteam_security::id::{SegmentId, StepId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{EdgeDefinition, Object, SEGMENT_VERSION, SegmentParams, StepDefinition, read};
use crate::canvas::validate::report::Report;
use crate::canvas::validate::{ValidationMessage, ValidationSeverity};

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

    /// Reads a segment from JSON text or bytes.
    ///
    /// Unknown keys are dropped, aliases and defaults resolved. What comes out may still break the
    /// rules of segments: see [`validate`](crate::canvas::validate).
    ///
    /// # Errors
    /// Every fault of the document, each with its path.
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, Vec<ValidationMessage>> {
        let mut report = Report::default();
        let segment = read::document(json.as_ref(), &mut report);
        accept(segment, report)
    }

    /// Reads a segment from a JSON value, as [`Self::from_json`].
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_value(value: Value) -> Result<Self, Vec<ValidationMessage>> {
        let mut report = Report::default();
        let segment = read::segment(value, &mut report);
        accept(segment, report)
    }

    /// The faults of the graph as plain sentences; empty if there is none (M-08).
    ///
    /// Looks at ids, ends of edges and the entrypoint only.
    pub fn validate(&self) -> Vec<String> {
        let ids: HashSet<&str> = self
            .steps
            .iter()
            .map(|step| step.step_id.as_str())
            .collect();
        let mut faults = Vec::new();
        if let Some(id) = self.entrypoint.as_deref().filter(|id| !ids.contains(id)) {
            faults.push(format!("Entrypoint '{id}' not found in steps"));
        }
        for edge in &self.edges {
            if !ids.contains(edge.from_step.as_str()) {
                let id = &edge.from_step;
                faults.push(format!("Edge from '{id}' references unknown step"));
            }
            if !ids.contains(edge.to_step.as_str()) {
                let id = &edge.to_step;
                faults.push(format!("Edge to '{id}' references unknown step"));
            }
        }
        if ids.len() < self.steps.len() {
            faults.push("Duplicate step IDs found".to_owned());
        }
        let rule = "must be lowercase, start with letter";
        for id in self.steps.iter().map(|step| &step.step_id) {
            if id.parse::<StepId>().is_err() {
                faults.push(format!("Invalid step_id format: '{id}' ({rule})"));
            }
        }
        if self.segment_id.parse::<SegmentId>().is_err() {
            let id = &self.segment_id;
            faults.push(format!("Invalid segment_id format: '{id}' ({rule})"));
        }
        faults
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

    /// The segment in the canonical form of RFC 8785: the text that is hashed.
    ///
    /// Numbers are binary64 in this form; what is kept is [`Self::to_json`], which is exact.
    ///
    /// # Errors
    /// As [`Self::to_value`].
    pub fn canonical_json(&self) -> Result<String, serde_json::Error> {
        serde_json_canonicalizer::to_string(self)
    }
}

impl<'de> Deserialize<'de> for SegmentDefinition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(value).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            D::Error::custom(faults.join(", "))
        })
    }
}

fn accept(
    segment: Option<SegmentDefinition>,
    report: Report,
) -> Result<SegmentDefinition, Vec<ValidationMessage>> {
    match segment {
        Some(segment) if !report.has_errors() => Ok(segment),
        _ => {
            let mut faults = report.into_messages();
            faults.retain(|it| it.severity == ValidationSeverity::Error);
            Err(faults)
        }
    }
}
