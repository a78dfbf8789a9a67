//! The state of a run as the JSON that a snapshot shows.
//!
//! A snapshot is read by people and by the integrity check; recovery folds the journal.

use serde_json::{Map, Value, json};

use super::RunMachine;
use super::state::{Resolution, StepStatus};

impl RunMachine {
    /// Completed steps, their outputs, and the states of steps, edges and loops.
    pub fn view(&self) -> Map<String, Value> {
        let run = &self.run;
        let steps = || {
            self.plan
                .steps
                .iter()
                .zip(&run.steps)
                .map(|(step, state)| (step.spec.step_id.as_str(), state))
        };
        let completed: Vec<&str> = steps()
            .filter(|(_, it)| it.completed)
            .map(|(id, _)| id)
            .collect();
        let outputs: Map<String, Value> = steps()
            .filter_map(|(id, it)| {
                Some((id.to_owned(), Value::clone(&*it.output.as_ref()?.object())))
            })
            .collect();
        let states: Map<String, Value> = steps()
            .map(|(id, it)| {
                let state = json!({
                    "status": status_name(it.status),
                    "activation": it.activation,
                    "attempts": it.attempt,
                    "state": it.local(),
                    "request_id": it.request_id(),
                });
                (id.to_owned(), state)
            })
            .collect();
        let edges: Vec<Value> = run
            .edges
            .iter()
            .map(
                |edge| json!({"resolution": resolution_name(edge.resolution), "value": edge.value}),
            )
            .collect();
        let loops: Vec<Value> = run
            .loops
            .iter()
            .zip(&self.plan.loops)
            .map(|(state, looped)| {
                json!({
                    "header": self.step_id(looped.header).as_str(),
                    "iteration": state.iteration,
                    "closed": state.closed,
                })
            })
            .collect();
        let fields = [
            ("input_data", Value::clone(&run.input())),
            (
                "current_step",
                json!(self.current_step().map(|step| self.step_id(step).as_str())),
            ),
            ("completed_steps", json!(completed)),
            ("step_outputs", Value::Object(outputs)),
            ("step_states", Value::Object(states)),
            ("edge_states", Value::Array(edges)),
            ("loop_states", Value::Array(loops)),
            ("next_event", json!(run.next_event)),
            ("active_ms", json!(run.times.active_us / 1_000)),
            ("original_started_at", json!(run.times.started.to_string())),
        ];
        fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }
}

fn status_name(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Waiting => "waiting",
        StepStatus::Ready => "ready",
        StepStatus::Running => "running",
        StepStatus::Retrying(_) | StepStatus::RetryReady => "retrying",
        StepStatus::Suspended => "suspended",
        StepStatus::Completed => "completed",
        StepStatus::Failed => "failed",
        StepStatus::Dead => "dead",
    }
}

fn resolution_name(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Open => "open",
        Resolution::Carried => "carried",
        Resolution::Dead => "dead",
    }
}
