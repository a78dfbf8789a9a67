//! A step: one box of the drawing.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{DEFAULT_INPUT, DEFAULT_OUTPUT, Object, number};

/// One step of a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct StepDefinition {
    /// Its id within the segment.
    pub step_id: String,
    /// The id of its type in the catalog; `type` in JSON.
    pub step_type: String,
    /// A name for people; may be empty.
    pub name: String,
    /// What the step's type is told to do.
    pub config: Object,
    /// Declared input ports.
    pub input_ports: Vec<String>,
    /// Declared output ports.
    pub output_ports: Vec<String>,
    /// Where the canvas draws it.
    pub position: Option<StepPosition>,
    /// How the canvas draws it.
    pub ui: Option<StepUIMetadata>,
}

impl StepDefinition {
    /// A step with the default ports and an empty config.
    pub fn new(step_id: impl Into<String>, step_type: impl Into<String>) -> Self {
        Self {
            step_id: step_id.into(),
            step_type: step_type.into(),
            name: String::new(),
            config: Object::new(),
            input_ports: vec![DEFAULT_INPUT.to_owned()],
            output_ports: vec![DEFAULT_OUTPUT.to_owned()],
            position: None,
            ui: None,
        }
    }

    /// The declared outputs, unless they are the bare default `["output"]`.
    pub fn explicit_outputs(&self) -> Option<&[String]> {
        explicit(&self.output_ports, DEFAULT_OUTPUT)
    }

    /// The declared inputs, unless they are the bare default `["input"]`.
    pub fn explicit_inputs(&self) -> Option<&[String]> {
        explicit(&self.input_ports, DEFAULT_INPUT)
    }
}

fn explicit<'a>(ports: &'a [String], default: &str) -> Option<&'a [String]> {
    match ports {
        [only] if only == default => None,
        ports => Some(ports),
    }
}

/// Where a step is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepPosition {
    /// To the right.
    #[serde(serialize_with = "number::serialize")]
    pub x: f64,
    /// Downwards.
    #[serde(serialize_with = "number::serialize")]
    pub y: f64,
}

/// How a step is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StepUIMetadata {
    /// Overrides the color of the step's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Overrides the icon of the step's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Whether only the title is drawn.
    pub collapsed: bool,
}

#[derive(Serialize)]
struct Ports<'a> {
    input: &'a [String],
    output: &'a [String],
}

impl Serialize for StepDefinition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step_id", &self.step_id)?;
        map.serialize_entry("type", &self.step_type)?;
        if !self.name.is_empty() {
            map.serialize_entry("name", &self.name)?;
        }
        map.serialize_entry("config", &self.config)?;
        let ports = Ports {
            input: &self.input_ports,
            output: &self.output_ports,
        };
        map.serialize_entry("ports", &ports)?;
        if let Some(position) = &self.position {
            map.serialize_entry("position", position)?;
        }
        if let Some(ui) = &self.ui {
            map.serialize_entry("ui", ui)?;
        }
        map.end()
    }
}
