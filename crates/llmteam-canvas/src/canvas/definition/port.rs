//! A port on its own: its name and what flows through it.

use serde::{Deserialize, Serialize};

/// The JSON type of what flows through a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortType {
    /// Anything.
    #[default]
    Any,
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// A named, typed port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortDefinition {
    /// The port's name.
    pub name: String,
    /// What flows through it.
    #[serde(rename = "type", default)]
    pub data_type: PortType,
    /// Whether a value must be there.
    #[serde(default = "required")]
    pub required: bool,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

impl PortDefinition {
    /// A required port that takes anything.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data_type: PortType::Any,
            required: true,
            description: String::new(),
        }
    }
}

const fn required() -> bool {
    true
}
