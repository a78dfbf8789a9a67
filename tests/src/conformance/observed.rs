//! What was seen of a run, whatever ran it.

use crate::oracle;
use llmteam_canvas::events::WorktrailEvent;
use serde_json::Value;
use std::collections::BTreeMap;

/// One event as seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Wire name of its type.
    pub kind: String,
    /// The step, none for segment events.
    pub step: Option<String>,
    /// The payload.
    pub payload: Value,
    /// `event_id`, where the engine numbers its events.
    pub id: Option<String>,
    /// `parent_event_id`.
    pub parent: Option<String>,
    /// `timestamp`.
    pub timestamp: Option<String>,
}

impl Seen {
    /// `type` or `type:step_id`.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.step {
            Some(step) => format!("{}:{step}", self.kind),
            None => self.kind.clone(),
        }
    }
}

impl From<&WorktrailEvent> for Seen {
    fn from(event: &WorktrailEvent) -> Self {
        let mut payload = event.payload.clone();
        if let Some(error) = &event.error {
            let told = serde_json::to_value(error).unwrap_or_default();
            payload.insert("error".to_owned(), told);
        }
        Self {
            kind: event.event_type.to_string(),
            step: event.step_id.as_ref().map(ToString::to_string),
            payload: Value::Object(payload),
            id: Some(event.event_id.to_string()),
            parent: event.parent_event_id.as_ref().map(ToString::to_string),
            timestamp: Some(event.timestamp.to_string()),
        }
    }
}

/// A run as seen from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The result's status; `refused` when the segment was not run.
    pub status: String,
    /// The result's output.
    pub output: Value,
    /// The error's type.
    pub error_type: Option<String>,
    /// The error in full, where the engine gives one.
    pub error: Option<Value>,
    /// `current_step`.
    pub current_step: Option<String>,
    /// The events, in order.
    pub events: Vec<Seen>,
    /// `steps_completed`.
    pub steps_completed: u64,
    /// `steps_failed`.
    pub steps_failed: u64,
    /// `steps_skipped`.
    pub steps_skipped: u64,
    /// `steps_total`, where the engine tells it.
    pub steps_total: Option<u64>,
    /// `duration_ms`.
    pub duration_ms: u64,
    /// What control actions and answers expected and found.
    pub checks: Vec<Check>,
    /// What only an engine with surroundings can show; none is not compared.
    pub requests: Option<Vec<Value>>,
    /// Calls of models, by name.
    pub llm_calls: Option<BTreeMap<String, Vec<Value>>>,
    /// Calls of HTTP clients, by name.
    pub http_calls: Option<BTreeMap<String, Vec<Value>>>,
    /// What the stores hold, by name.
    pub stores: Option<BTreeMap<String, Value>>,
    /// Validation messages: `severity`, `code`, `path`.
    pub messages: Option<Vec<Value>>,
    /// Whether validation accepts the segment.
    pub is_valid: Option<bool>,
}

/// Something that a control action or an answer expects at its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// What the case says.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl Observed {
    /// The event labels, in order.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        self.events.iter().map(Seen::label).collect()
    }

    /// Step to the input object of each activation.
    #[must_use]
    pub fn step_inputs(&self) -> BTreeMap<String, Vec<Value>> {
        let mut inputs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for event in self
            .events
            .iter()
            .filter(|event| event.kind == "step.started")
        {
            let step = event.step.clone().unwrap_or_default();
            inputs
                .entry(step)
                .or_default()
                .push(event.payload["input"].clone());
        }
        inputs
    }

    /// Step to skip reason.
    #[must_use]
    pub fn skipped(&self) -> BTreeMap<String, String> {
        let skips = self
            .events
            .iter()
            .filter(|event| event.kind == "step.skipped");
        let reason = |event: &Seen| {
            event.payload["reason"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        skips
            .map(|event| (event.step.clone().unwrap_or_default(), reason(event)))
            .collect()
    }
}

impl From<oracle::Outcome> for Observed {
    fn from(outcome: oracle::Outcome) -> Self {
        let seen = |event: oracle::Event| Seen {
            kind: event.kind,
            step: event.step,
            payload: event.payload,
            ..Seen::default()
        };
        Self {
            status: outcome.status,
            output: outcome.output,
            error_type: outcome.error_type,
            current_step: outcome.current_step,
            events: outcome.events.into_iter().map(seen).collect(),
            steps_completed: outcome.steps_completed,
            steps_failed: outcome.steps_failed,
            steps_skipped: outcome.steps_skipped,
            duration_ms: outcome.duration_ms,
            checks: outcome
                .checks
                .into_iter()
                .map(|(what, expected, found)| Check {
                    what,
                    expected,
                    found,
                })
                .collect(),
            ..Self::default()
        }
    }
}
