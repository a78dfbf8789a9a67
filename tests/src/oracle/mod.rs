//! A second, naive reading of the execution rules, for comparison with the engine.
//!
//! It is written from the rules alone: no compiled plan, no graph library, no journal, nothing
//! shared with the engine. Where it and the engine differ, one of the two has misread a rule.
//! Time is virtual and lives inside: an instant is handled in the order that `docs/spec/conformance.md` gives.

mod attempt;
mod builtin;
mod expression;
mod flow;
mod loops;
mod people;
mod random;
mod run;
mod schedule;
mod segment;

pub use people::outcome as answer_outcome;
pub use random::scenario as random_scenario;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Everything that decides how a run goes.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// The segment's JSON.
    pub segment: Value,
    /// Step types that the built-in catalog lacks: type id to metadata.
    pub types: Map<String, Value>,
    /// The run input.
    pub input: Value,
    /// Per step, what each handler call answers; the last action repeats.
    pub script: BTreeMap<String, Vec<Value>>,
    /// The run's configuration.
    pub run: Map<String, Value>,
    /// Control actions in the order of their times.
    pub control: Vec<Value>,
    /// What goes wrong around the run; `snapshot_save` is known here.
    pub faults: Vec<String>,
}

/// An event as the interpreter emits it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Wire name of the event type.
    pub kind: String,
    /// The step, none for segment events.
    pub step: Option<String>,
    /// Virtual milliseconds since the start of the run.
    pub at_ms: u64,
    /// The payload, and under `error` the event's error.
    pub payload: Value,
}

impl Event {
    /// `type` or `type:step_id`, as cases write it.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.step {
            Some(step) => format!("{}:{step}", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// How a run went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The status, `refused` when the segment may not run at all.
    pub status: String,
    /// The result's output.
    pub output: Value,
    /// The error's type, when there is one.
    pub error_type: Option<String>,
    /// `current_step` of the result.
    pub current_step: Option<String>,
    /// The events, in order.
    pub events: Vec<Event>,
    /// Per step, the input object of each activation.
    pub step_inputs: BTreeMap<String, Vec<Value>>,
    /// Distinct steps that completed.
    pub steps_completed: u64,
    /// Handled and absorbed failures.
    pub steps_failed: u64,
    /// Skip events.
    pub steps_skipped: u64,
    /// Wall time without pauses.
    pub duration_ms: u64,
    /// For every expectation on the way: what was looked at, what was expected, what was found.
    pub checks: Vec<(String, String, String)>,
}

/// The scenario uses something that this interpreter does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);

/// Runs a scenario by the rules.
///
/// # Errors
///
/// [`Unsupported`] when the scenario needs a model, an HTTP client or an expression beyond the
/// interpreter's small language.
pub fn interpret(scenario: &Scenario) -> Result<Outcome, Unsupported> {
    match segment::read(&scenario.segment) {
        Some(segment) => run::Run::new(scenario, segment).go(),
        None => Ok(Outcome {
            status: "refused".to_owned(),
            ..Outcome::default()
        }),
    }
}
