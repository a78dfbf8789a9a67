//! What is known of a step type without running it.

use serde::Serialize;
use serde_json::Value;

use crate::canvas::definition::{Object, PortType};

/// The group a step type is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepCategory {
    /// Language models.
    Ai,
    /// Data in, data out.
    Data,
    /// Other systems.
    Integration,
    /// The flow itself.
    Control,
    /// People.
    Human,
    /// Everything else.
    Utility,
}

impl StepCategory {
    /// All categories, in palette order.
    pub const ALL: [Self; 6] = [
        Self::Ai,
        Self::Data,
        Self::Integration,
        Self::Control,
        Self::Human,
        Self::Utility,
    ];

    /// The wire string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Data => "data",
            Self::Integration => "integration",
            Self::Control => "control",
            Self::Human => "human",
            Self::Utility => "utility",
        }
    }
}

/// A port as a step type declares it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortSpec {
    /// The port's name.
    pub name: String,
    /// What flows through it.
    #[serde(rename = "type")]
    pub data_type: PortType,
    /// What it is for.
    pub description: String,
    /// Inputs: whether the step cannot start without it. Outputs: whether it is always produced.
    pub required: bool,
    /// The value taken when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// A JSON Schema of its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl PortSpec {
    /// A required port.
    pub fn new(name: impl Into<String>, data_type: PortType) -> Self {
        Self {
            name: name.into(),
            data_type,
            description: String::new(),
            required: true,
            default: None,
            schema: None,
        }
    }

    /// The same port, not required.
    #[must_use]
    pub fn optional(self) -> Self {
        Self {
            required: false,
            ..self
        }
    }

    /// The same port with a description.
    #[must_use]
    pub fn described(self, description: impl Into<String>) -> Self {
        Self {
            description: description.into(),
            ..self
        }
    }
}

/// Everything known of a step type but its handler.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepTypeMetadata {
    /// The id that steps name as their `type`.
    pub type_id: String,
    /// The version of the type.
    pub version: String,
    /// The name shown to people.
    pub display_name: String,
    /// What the type does.
    pub description: String,
    /// The group it is shown in.
    pub category: StepCategory,
    /// Name of the icon.
    pub icon: String,
    /// Color as `#RRGGBB`.
    pub color: String,
    /// JSON Schema of a step's config.
    pub config_schema: Object,
    /// Inputs, in order.
    pub input_ports: Vec<PortSpec>,
    /// Outputs, in order.
    pub output_ports: Vec<PortSpec>,
    /// Whether a failed attempt may be repeated.
    pub supports_retry: bool,
    /// Whether `timeout_seconds` limits an attempt.
    pub supports_timeout: bool,
    /// Shown to people; does not restrict scheduling.
    pub supports_parallel: bool,
    /// Whether the handler waits for something.
    pub is_async: bool,
    /// Where the type is documented.
    pub docs_url: Option<String>,
    /// Example configs.
    pub examples: Vec<Value>,
    /// The output that carries the result when a handler names no port; not exported.
    #[serde(skip)]
    pub primary_output: Option<String>,
}

impl StepTypeMetadata {
    /// A type of version `1.0` with the default looks and flags, without ports and schema.
    pub fn new(
        type_id: impl Into<String>,
        display_name: impl Into<String>,
        category: StepCategory,
    ) -> Self {
        Self {
            type_id: type_id.into(),
            version: "1.0".to_owned(),
            display_name: display_name.into(),
            description: String::new(),
            category,
            icon: "box".to_owned(),
            color: "#4A90D9".to_owned(),
            config_schema: Object::new(),
            input_ports: Vec::new(),
            output_ports: Vec::new(),
            supports_retry: true,
            supports_timeout: true,
            supports_parallel: false,
            is_async: true,
            docs_url: None,
            examples: Vec::new(),
            primary_output: None,
        }
    }

    /// The catalog's word on an input port.
    pub fn input(&self, name: &str) -> Option<&PortSpec> {
        self.input_ports.iter().find(|port| port.name == name)
    }

    /// The catalog's word on an output port.
    pub fn output(&self, name: &str) -> Option<&PortSpec> {
        self.output_ports.iter().find(|port| port.name == name)
    }
}
