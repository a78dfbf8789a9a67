//! Contexts for tests of handlers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{StepError, StepHandler, StepOutcome};
use crate::canvas::catalog::StepCatalog;
use crate::events::StepEvent;
use crate::runtime::testing::runtime;
use crate::runtime::{PortName, RuntimeContext, StepContext, StepInput, StepLink, StepSpec};

/// A step of a built-in type with the type's own output ports.
pub(super) fn step(step_type: &str, config: Value) -> StepSpec {
    let catalog = StepCatalog::with_builtins();
    let metadata = catalog.get(step_type).unwrap();
    let Value::Object(config) = config else {
        panic!("a config is an object");
    };
    StepSpec::new(
        "work".parse().unwrap(),
        step_type.to_owned(),
        config,
        metadata
            .output_ports
            .iter()
            .map(|port| PortName::from(port.name.as_str()))
            .collect(),
    )
}

/// A runtime that runs segment `seg`.
pub(super) fn in_segment() -> RuntimeContext {
    runtime("r").with_segment("seg".parse().unwrap())
}

/// What a run has as its input.
pub(super) fn whole(input: Value) -> StepInput {
    StepInput::of_run(Arc::new(input))
}

/// Values by port; the subject is the whole object.
pub(super) fn ports<const N: usize>(values: [(&str, Value); N]) -> StepInput {
    let values = values.map(|(port, value)| (PortName::from(port), Arc::new(value)));
    StepInput::of_ports(values.into_iter().collect())
}

/// The result of a step that ends at once, as JSON.
pub(super) async fn output(
    handler: impl StepHandler,
    spec: StepSpec,
    input: StepInput,
) -> Result<Value, StepError> {
    let context = StepContext::detached(in_segment(), spec, input);
    as_output(Arc::new(handler).run(context).await)
}

pub(super) fn as_output(outcome: Result<StepOutcome, StepError>) -> Result<Value, StepError> {
    match outcome? {
        StepOutcome::Output(output) => Ok(Value::clone(&output.0)),
        StepOutcome::Ask(question) => panic!("the step asks {question:?}"),
    }
}

/// A step whose configuration is wrong says so, and what is wrong.
pub(super) async fn refuses(handler: impl StepHandler, spec: StepSpec, fault: &str) {
    let error = output(handler, spec, whole(json!({}))).await.unwrap_err();
    let code = error.error_code.as_deref();
    assert_eq!(
        (error.error_type.as_str(), code),
        ("InvalidStepConfigError", Some("INVALID_CONFIG"))
    );
    assert!(error.error_message.contains(fault), "{error}");
    assert!(!error.recoverable);
}

/// Keeps what a step says.
#[derive(Default)]
pub(super) struct Recorder(pub(super) Mutex<Vec<StepEvent>>);

#[async_trait]
impl StepLink for Recorder {
    fn emit(&self, _: &StepSpec, _: u32, event: StepEvent) {
        self.0.lock().unwrap().push(event);
    }

    fn emits_calls(&self) -> bool {
        true
    }

    async fn intent(&self, _: &StepSpec, _: u32, _: u32) -> Result<(), StepError> {
        let mut intent = StepEvent::action_started("intent", None);
        intent.payload.clear();
        self.0.lock().unwrap().push(intent);
        Ok(())
    }
}

impl Recorder {
    /// Event types and payloads, one line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let line =
            |it: &StepEvent| format!("{} {}", it.event_type, Value::Object(it.payload.clone()));
        events.iter().map(line).collect()
    }
}
