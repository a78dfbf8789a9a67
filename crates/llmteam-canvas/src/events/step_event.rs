//! An event that a handler emits while it runs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ErrorInfo, EventSeverity, EventType};

/// What a handler says about its own work; the run adds identity, number and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEvent {
    /// Which event.
    pub event_type: EventType,
    /// How serious it is.
    pub severity: EventSeverity,
    /// Payload as in the table of events.
    pub payload: Map<String, Value>,
    /// The error of a failed call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// How long the work took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}
