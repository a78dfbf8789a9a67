//! From what a fold made happen to the Worktrail event that people see.

use std::sync::Arc;

use serde_json::Value;

use super::event::EventSource;
use super::{ErrorInfo, StepEvent, WorktrailEvent};
use crate::canvas::machine::{Happening, RunEvent};
use crate::canvas::plan::ExecutionPlan;

/// Draws events of one run.
#[derive(Debug)]
pub struct Projection {
    plan: Arc<ExecutionPlan>,
    source: EventSource,
    /// Step types, shared by all events.
    types: Vec<Arc<str>>,
}

impl Projection {
    /// Draws events of a run of this plan.
    pub fn new(plan: Arc<ExecutionPlan>, source: EventSource) -> Self {
        let types = plan
            .steps()
            .iter()
            .map(|step| Arc::from(step.spec().step_type.as_str()))
            .collect();
        Self {
            plan,
            source,
            types,
        }
    }

    /// The event as it is stored, sent and shown.
    pub fn draw(&self, event: &RunEvent) -> WorktrailEvent {
        let step = event
            .step
            .map(|step| (&self.plan.step(step).spec.step_id, &self.types[step.at()]));
        self.source.event(
            event.number,
            event.time,
            step,
            event.parent,
            self.content(&event.what),
        )
    }

    fn content(&self, what: &Happening) -> StepEvent {
        match what {
            Happening::SegmentStarted { input } => StepEvent::segment_started(input),
            Happening::SegmentCompleted {
                output,
                duration_ms,
            } => StepEvent::segment_completed(*duration_ms, output),
            Happening::SegmentFailed {
                error,
                step,
                duration_ms,
            } => {
                let step = step.map(|step| &self.plan.step(step).spec.step_id);
                StepEvent::segment_failed(ErrorInfo::from(error), step).lasting(*duration_ms)
            }
            Happening::SegmentCancelled {
                reason,
                duration_ms,
            } => StepEvent::segment_cancelled(reason).lasting(*duration_ms),
            Happening::SegmentPaused {
                snapshot_id,
                steps_completed,
            } => StepEvent::segment_paused(snapshot_id, *steps_completed),
            Happening::SegmentResumed {
                snapshot_id,
                steps_completed,
            } => StepEvent::segment_resumed(snapshot_id, *steps_completed),
            Happening::StepStarted { activation, input } => {
                StepEvent::step_started(&input.object(), *activation)
            }
            Happening::StepCompleted {
                activation,
                output,
                duration_ms,
            } => StepEvent::step_completed(*duration_ms, &output.object(), *activation),
            Happening::StepFailed {
                activation,
                error,
                handled,
                forced,
                duration_ms,
            } => {
                let error = ErrorInfo::from(error);
                let event = if *forced {
                    StepEvent::step_cancelled(error, *activation)
                } else {
                    StepEvent::step_failed(error, *activation, *handled)
                };
                event.lasting(*duration_ms)
            }
            Happening::StepSkipped { reason } => StepEvent::step_skipped(reason.as_str()),
            Happening::StepRetrying {
                attempt,
                max_attempts,
                error,
            } => StepEvent::step_retrying(*attempt, *max_attempts, ErrorInfo::from(error)),
            Happening::HumanTaskCreated {
                task_id,
                task_type,
                assignee,
            } => StepEvent::human_task_created(task_id, task_type, assignee.as_deref()),
            Happening::HumanTaskAssigned { task_id, assignee } => {
                StepEvent::human_task_assigned(task_id, assignee)
            }
            Happening::HumanTaskEscalated {
                task_id,
                assignee,
                level,
            } => StepEvent::human_task_escalated(task_id, assignee, *level),
            Happening::HumanTaskCompleted {
                task_id,
                completed_by,
                duration_ms,
            } => StepEvent::human_task_completed(task_id, completed_by, *duration_ms),
            Happening::DataConsumed {
                input_port,
                from_step,
                from_port,
            } => StepEvent::data_consumed(
                input_port,
                &self.plan.step(*from_step).spec.step_id,
                from_port,
            ),
            Happening::DataProduced { output_port, value } => {
                let size = serde_json::to_string(value)
                    .ok()
                    .and_then(|text| u64::try_from(text.len()).ok());
                StepEvent::data_produced(output_port, type_name(value), size)
            }
            Happening::Emitted(event) => event.clone(),
        }
    }
}

/// The port type of a value.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "any",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
