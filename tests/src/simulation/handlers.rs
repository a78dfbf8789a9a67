//! A scenario's plan, and what its handlers answer: by script, or by the built-in handler itself.

use crate::oracle::Scenario;
use futures_util::FutureExt;
use llmteam_canvas::canvas::catalog::{StepCatalog, StepTypeMetadata};
use llmteam_canvas::canvas::definition::SegmentDefinition;
use llmteam_canvas::canvas::handler::{StepError, StepOutcome};
use llmteam_canvas::canvas::machine::{RunEvent, RunIdentity, RunMachine};
use llmteam_canvas::canvas::plan::{ExecutionPlan, StepIndex};
use llmteam_canvas::events::{EventSource, Projection, WorktrailEvent};
use llmteam_canvas::runtime::{RuntimeContext, StepContext, StepInput, StepSpec};
use llmteam_security::clock::{ManualClock, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A scenario compiled: its plan and everything of a run but its state.
#[derive(Debug)]
pub struct Prepared {
    plan: Arc<ExecutionPlan>,
    identity: Arc<RunIdentity>,
    projection: Projection,
    types: Vec<Option<Arc<StepTypeMetadata>>>,
    runtime: RuntimeContext,
}

impl Prepared {
    /// Compiles a scenario.
    ///
    /// # Errors
    ///
    /// The first fault of the segment, as a sentence.
    pub fn new(scenario: &Scenario) -> Result<Self, String> {
        let definition = SegmentDefinition::from_value(scenario.segment.clone())
            .map_err(|faults| faults.first().map(ToString::to_string).unwrap_or_default())?;
        let catalog = StepCatalog::with_builtins();
        let types: Vec<Option<Arc<StepTypeMetadata>>> = definition
            .steps
            .iter()
            .map(|step| catalog.get(&step.step_type))
            .collect();
        let known = |id: &str| {
            types
                .iter()
                .flatten()
                .find(|metadata| metadata.type_id == id)
                .cloned()
        };
        let plan = ExecutionPlan::compile(&definition, known).map_err(|error| error.to_string())?;
        let plan = Arc::new(plan);
        let invalid = |error: &dyn std::fmt::Display| error.to_string();
        let identity = RunIdentity {
            tenant_id: "default".parse().map_err(|error| invalid(&error))?,
            instance_id: "run-1".parse().map_err(|error| invalid(&error))?,
            run_id: "run-1".parse().map_err(|error| invalid(&error))?,
            segment_id: scenario.segment["segment_id"]
                .as_str()
                .unwrap_or_default()
                .parse()
                .map_err(|error| invalid(&error))?,
        };
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
        let runtime = RuntimeContext::builder(identity.tenant_id.clone(), clock)
            .run_id(identity.run_id.clone())
            .instance_id(identity.instance_id.clone())
            .segment_id(identity.segment_id.clone())
            .run_input(Arc::new(scenario.input.clone()))
            .build();
        let source = EventSource::new(&runtime, identity.segment_id.clone(), None);
        Ok(Self {
            projection: Projection::new(Arc::clone(&plan), source),
            plan,
            identity: Arc::new(identity),
            types,
            runtime,
        })
    }

    /// A machine of which nothing has happened yet.
    #[must_use]
    pub fn machine(&self) -> RunMachine {
        RunMachine::new(Arc::clone(&self.plan), Arc::clone(&self.identity))
    }

    /// An event as people see it.
    #[must_use]
    pub fn draw(&self, event: &RunEvent) -> WorktrailEvent {
        self.projection.draw(event)
    }

    pub(super) fn spec(&self, step: StepIndex) -> &StepSpec {
        self.plan.steps()[step.at()].spec()
    }

    /// How long an attempt may take, in milliseconds.
    pub(super) fn attempt_limit(&self, step: StepIndex) -> Option<u64> {
        let supported = self.types[step.at()]
            .as_ref()
            .is_some_and(|metadata| metadata.supports_timeout);
        let seconds = self
            .spec(step)
            .config
            .get("timeout_seconds")
            .and_then(Value::as_f64);
        seconds
            .filter(|_| supported)
            .map(|seconds| (seconds * 1_000.0).round() as u64)
    }

    pub(super) fn step_without_handler(&self) -> Option<StepIndex> {
        let steps = self.plan.steps().iter().zip(&self.types);
        let missing = steps
            .enumerate()
            .find(|(_, (step, kind))| step.is_reachable() && kind.is_none());
        missing.and_then(|(at, _)| serde_json::from_value(json!(at)).ok())
    }
}

/// The script, and how far each step has come in it.
#[derive(Debug)]
pub(super) struct Handlers {
    catalog: StepCatalog,
    script: BTreeMap<StepIndex, Vec<Value>>,
    calls: BTreeMap<StepIndex, usize>,
}

impl Handlers {
    pub(super) fn new(prepared: &Prepared, scenario: &Scenario) -> Self {
        let mut script = BTreeMap::new();
        for (at, step) in prepared.plan.steps().iter().enumerate() {
            let actions = scenario.script.get(step.spec().step_id.as_str());
            if let (Some(actions), Ok(index)) = (actions, serde_json::from_value(json!(at))) {
                script.insert(index, actions.clone());
            }
        }
        Self {
            catalog: StepCatalog::with_builtins(),
            script,
            calls: BTreeMap::new(),
        }
    }

    /// Counts a handler call of the step; its number from 0.
    pub(super) fn next_call(&mut self, step: StepIndex) -> usize {
        let calls = self.calls.entry(step).or_default();
        *calls += 1;
        *calls - 1
    }

    fn action(&self, step: StepIndex, call: usize) -> Value {
        let script = self.script.get(&step);
        script
            .and_then(|script| script.get(call).or(script.last()))
            .cloned()
            .unwrap_or(Value::Null)
    }

    /// The answers people give to the request of a call.
    pub(super) fn answers(&self, step: StepIndex, call: usize) -> Vec<Value> {
        let action = self.action(step, call);
        match &action["respond"] {
            Value::Null => Vec::new(),
            Value::Array(answers) => answers.clone(),
            answer => vec![json!({ "after_ms": action["after_ms"], "respond": answer })],
        }
    }

    /// When a call ends, and with what; `None` when it asks a person.
    pub(super) fn call(
        &self,
        prepared: &Prepared,
        machine: &RunMachine,
        step: StepIndex,
        call: usize,
    ) -> (u64, Option<Result<Value, StepError>>) {
        let action = self.action(step, call);
        let after = action["after_ms"].as_u64().unwrap_or(0);
        if let Some(value) = action.get("return") {
            return (after, Some(Ok(value.clone())));
        }
        if let Some(fault) = action.get("fail") {
            let unreadable =
                |error: serde_json::Error| StepError::new("Unreadable", error.to_string());
            return (
                after,
                Some(Err(
                    serde_json::from_value(fault.clone()).unwrap_or_else(unreadable)
                )),
            );
        }
        let spec = prepared.spec(step);
        if spec.step_type == "human_task" {
            return (0, None);
        }
        (0, Some(self.run_builtin(prepared, machine, step)))
    }

    fn run_builtin(
        &self,
        prepared: &Prepared,
        machine: &RunMachine,
        step: StepIndex,
    ) -> Result<Value, StepError> {
        let spec = prepared.spec(step);
        let missing = || StepError::new("Missing", spec.step_type.clone());
        let handler = self
            .catalog
            .get_handler(&spec.step_type)
            .ok_or_else(missing)?;
        let input = machine.step_input(step).ok_or_else(missing)?;
        let input = StepInput::clone(input);
        let own = StepSpec::new(
            spec.step_id.clone(),
            spec.step_type.clone(),
            spec.config.clone(),
            spec.outputs.clone(),
        );
        let context = StepContext::detached(prepared.runtime.clone(), own, input);
        match handler.run(context).now_or_never().ok_or_else(missing)?? {
            StepOutcome::Output(output) => Ok(output.0.as_ref().clone()),
            StepOutcome::Ask(_) => Err(missing()),
        }
    }
}
