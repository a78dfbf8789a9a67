//! What happened, before it has an identity, a number and a time.
//!
//! One constructor per row of the table of events: type, severity and payload are decided here only.

use llmteam_orchestration::llm::Usage;
use llmteam_security::id::StepId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::payload::payload;
use super::{ErrorInfo, EventSeverity, EventType};

/// What a step, or the run, says; the run adds identity, number and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEvent {
    /// Which event.
    pub event_type: EventType,
    /// How serious it is.
    pub severity: EventSeverity,
    /// Payload as in the table of events.
    pub payload: Map<String, Value>,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// How long the work took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

impl StepEvent {
    /// An event of this severity without payload.
    pub fn new(event_type: EventType, severity: EventSeverity) -> Self {
        Self {
            event_type,
            severity,
            payload: Map::new(),
            error: None,
            duration_ms: None,
        }
    }

    fn info<const N: usize>(event_type: EventType, fields: [(&str, &Value); N]) -> Self {
        Self {
            payload: payload(fields),
            ..Self::new(event_type, EventSeverity::Info)
        }
    }

    fn severe(mut self, severity: EventSeverity) -> Self {
        self.severity = severity;
        self
    }

    fn failing(mut self, error: ErrorInfo) -> Self {
        self.error = Some(error);
        self
    }

    pub(crate) fn lasting(mut self, duration_ms: u64) -> Self {
        self.duration_ms = Some(duration_ms);
        self
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.payload.insert(name.to_owned(), value.into());
        self
    }

    fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// The run.
impl StepEvent {
    /// The run began with this input.
    pub fn segment_started(input: &Value) -> Self {
        Self::info(EventType::SegmentStarted, [("input", input)])
    }

    /// The run ended with this output.
    pub fn segment_completed(duration_ms: u64, output: &Value) -> Self {
        Self::info(EventType::SegmentCompleted, [("output", output)]).lasting(duration_ms)
    }

    /// The run failed; `step` when a step caused it.
    pub fn segment_failed(error: ErrorInfo, step: Option<&StepId>) -> Self {
        Self::new(EventType::SegmentFailed, EventSeverity::Error)
            .with_some("step_id", step.map(StepId::as_str))
            .failing(error)
    }

    /// The run was cancelled.
    pub fn segment_cancelled(reason: &str) -> Self {
        Self::new(EventType::SegmentCancelled, EventSeverity::Warning).with("reason", reason)
    }

    /// The run was paused.
    pub fn segment_paused(snapshot_id: &str, steps_completed: u32) -> Self {
        Self::new(EventType::SegmentPaused, EventSeverity::Info)
            .with("snapshot_id", snapshot_id)
            .with("steps_completed", steps_completed)
    }

    /// The paused run went on.
    pub fn segment_resumed(snapshot_id: &str, steps_completed: u32) -> Self {
        Self::new(EventType::SegmentResumed, EventSeverity::Info)
            .with("snapshot_id", snapshot_id)
            .with("steps_completed", steps_completed)
    }
}

/// The steps.
impl StepEvent {
    /// An activation began with this input object.
    pub fn step_started(input: &Value, activation: u32) -> Self {
        let activation = activation.into();
        Self::info(
            EventType::StepStarted,
            [("input", input), ("activation", &activation)],
        )
    }

    /// An activation ended with this output object.
    pub fn step_completed(duration_ms: u64, output: &Value, activation: u32) -> Self {
        let activation = activation.into();
        Self::info(
            EventType::StepCompleted,
            [("output", output), ("activation", &activation)],
        )
        .lasting(duration_ms)
    }

    /// An activation failed for good; `handled` when an error port or a join took the failure.
    pub fn step_failed(error: ErrorInfo, activation: u32, handled: bool) -> Self {
        Self::new(EventType::StepFailed, EventSeverity::Error)
            .with("activation", activation)
            .with("handled", handled)
            .failing(error)
    }

    /// An activation was stopped because its run ended (X-65).
    pub fn step_cancelled(error: ErrorInfo, activation: u32) -> Self {
        Self::step_failed(error, activation, false).severe(EventSeverity::Warning)
    }

    /// A step will not run (X-13).
    pub fn step_skipped(reason: &str) -> Self {
        Self::new(EventType::StepSkipped, EventSeverity::Info).with("reason", reason)
    }

    /// Attempt number `attempt` failed and another one follows.
    pub fn step_retrying(attempt: u32, max_attempts: u32, error: ErrorInfo) -> Self {
        Self::new(EventType::StepRetrying, EventSeverity::Warning)
            .with("attempt", attempt)
            .with("max_attempts", max_attempts)
            .failing(error)
    }
}

/// People.
impl StepEvent {
    /// A question was put.
    pub fn human_task_created(task_id: &str, task_type: &str, assignee: Option<&str>) -> Self {
        Self::new(EventType::HumanTaskCreated, EventSeverity::Info)
            .with("task_id", task_id)
            .with("task_type", task_type)
            .with("assignee", assignee)
    }

    /// The question was given to somebody.
    pub fn human_task_assigned(task_id: &str, assignee: &str) -> Self {
        Self::new(EventType::HumanTaskAssigned, EventSeverity::Info)
            .with("task_id", task_id)
            .with("assignee", assignee)
    }

    /// The question went to the next in the chain; `level` counts from 1.
    pub fn human_task_escalated(task_id: &str, assignee: &str, level: u32) -> Self {
        Self::new(EventType::HumanTaskEscalated, EventSeverity::Warning)
            .with("task_id", task_id)
            .with("assignee", assignee)
            .with("level", level)
    }

    /// The question was answered.
    pub fn human_task_completed(task_id: &str, completed_by: &str, duration_ms: u64) -> Self {
        Self::new(EventType::HumanTaskCompleted, EventSeverity::Info)
            .with("task_id", task_id)
            .with("completed_by", completed_by)
            .lasting(duration_ms)
    }
}

/// Actions and data.
impl StepEvent {
    /// An action began; `endpoint` is shown without its query string.
    pub fn action_started(action_type: &str, endpoint: Option<&str>) -> Self {
        Self::new(EventType::ActionStarted, EventSeverity::Info)
            .with("action_type", action_type)
            .with_some("endpoint", endpoint)
    }

    /// An action ended well.
    pub fn action_completed(action_type: &str, duration_ms: u64, status_code: Option<u16>) -> Self {
        Self::new(EventType::ActionCompleted, EventSeverity::Info)
            .with("action_type", action_type)
            .with_some("status_code", status_code)
            .lasting(duration_ms)
    }

    /// An action failed.
    pub fn action_failed(action_type: &str, error: ErrorInfo) -> Self {
        Self::new(EventType::ActionFailed, EventSeverity::Error)
            .with("action_type", action_type)
            .failing(error)
    }

    /// A value was put on an output port.
    pub fn data_produced(output_port: &str, data_type: &str, size_bytes: Option<u64>) -> Self {
        Self::new(EventType::DataProduced, EventSeverity::Debug)
            .with("output_port", output_port)
            .with("data_type", data_type)
            .with_some("size_bytes", size_bytes)
    }

    /// A value was taken from an input port.
    pub fn data_consumed(input_port: &str, from_step: &StepId, from_port: &str) -> Self {
        Self::new(EventType::DataConsumed, EventSeverity::Debug)
            .with("input_port", input_port)
            .with("from_step", from_step.as_str())
            .with("from_port", from_port)
    }
}

/// What is called, in a call event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// A language model.
    Model,
    /// A tool.
    Tool,
}

impl CallKind {
    /// The wire string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Tool => "tool",
        }
    }
}

/// Calls of models and tools. A run keeps them only with `emit_call_events`.
impl StepEvent {
    /// Call number `call` of the attempt, from 1, is about to be made.
    pub fn call_started(call: u32, kind: CallKind, name: &str) -> Self {
        Self::call(EventType::CallStarted, call, kind, name)
    }

    /// The call was answered.
    pub fn call_completed(
        call: u32,
        kind: CallKind,
        name: &str,
        duration_ms: u64,
        usage: Usage,
    ) -> Self {
        Self::call(EventType::CallCompleted, call, kind, name)
            .with(
                "usage",
                json!({ "input": usage.input, "output": usage.output, "cached": usage.cached }),
            )
            .lasting(duration_ms)
    }

    /// The call failed.
    pub fn call_failed(call: u32, kind: CallKind, name: &str, error: ErrorInfo) -> Self {
        Self::call(EventType::CallFailed, call, kind, name).failing(error)
    }

    fn call(event_type: EventType, call: u32, kind: CallKind, name: &str) -> Self {
        Self::new(event_type, EventSeverity::Debug)
            .with("call", call)
            .with("kind", kind.as_str())
            .with("name", name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &StepEvent, expected: &str) {
        let payload = serde_json::to_string(&event.payload).unwrap();
        let severity = serde_json::to_value(event.severity).unwrap();
        let severity = severity.as_str().unwrap();
        assert_eq!(
            format!("{} {severity} {payload}", event.event_type),
            expected
        );
    }

    // covers: events 12, events 13, events 14, events 16, events 17, events 18
    #[test]
    fn payloads_and_severities_are_those_of_the_table() {
        let error = || ErrorInfo::new("Boom", "it broke");
        let step: StepId = "work".parse().unwrap();
        let value = json!({ "a": 1 });
        check(
            &StepEvent::segment_started(&value),
            r#"segment.started info {"input":{"a":1}}"#,
        );
        let completed = StepEvent::segment_completed(5, &value);
        check(&completed, r#"segment.completed info {"output":{"a":1}}"#);
        assert_eq!(completed.duration_ms, Some(5));
        let failed = StepEvent::segment_failed(error(), Some(&step));
        check(&failed, r#"segment.failed error {"step_id":"work"}"#);
        assert_eq!(failed.error, Some(error()));
        check(
            &StepEvent::segment_failed(error(), None),
            "segment.failed error {}",
        );
        check(
            &StepEvent::segment_cancelled("asked"),
            r#"segment.cancelled warning {"reason":"asked"}"#,
        );
        check(
            &StepEvent::segment_paused("snap_1", 2),
            r#"segment.paused info {"snapshot_id":"snap_1","steps_completed":2}"#,
        );
        check(
            &StepEvent::step_started(&value, 1),
            r#"step.started info {"activation":1,"input":{"a":1}}"#,
        );
        check(
            &StepEvent::step_failed(error(), 1, true),
            r#"step.failed error {"activation":1,"handled":true}"#,
        );
        check(
            &StepEvent::step_cancelled(error(), 2),
            r#"step.failed warning {"activation":2,"handled":false}"#,
        );
        check(
            &StepEvent::step_skipped("unreachable"),
            r#"step.skipped info {"reason":"unreachable"}"#,
        );
        let retrying = StepEvent::step_retrying(1, 4, error());
        check(
            &retrying,
            r#"step.retrying warning {"attempt":1,"max_attempts":4}"#,
        );
        assert!(retrying.error.is_some());
        check(
            &StepEvent::human_task_created("req_1", "review", None),
            r#"human.task_created info {"assignee":null,"task_id":"req_1","task_type":"review"}"#,
        );
        check(
            &StepEvent::human_task_escalated("req_1", "boss", 1),
            r#"human.task_escalated warning {"assignee":"boss","level":1,"task_id":"req_1"}"#,
        );
        check(
            &StepEvent::human_task_completed("req_1", "ann", 7),
            r#"human.task_completed info {"completed_by":"ann","task_id":"req_1"}"#,
        );
        check(
            &StepEvent::action_completed("http_action", 3, Some(201)),
            r#"action.completed info {"action_type":"http_action","status_code":201}"#,
        );
        check(
            &StepEvent::data_consumed("input", &step, "output"),
            r#"data.consumed debug {"from_port":"output","from_step":"work","input_port":"input"}"#,
        );
        let usage = Usage {
            input: 10,
            output: 4,
            cached: 2,
        };
        check(
            &StepEvent::call_completed(1, CallKind::Model, "main", 9, usage),
            r#"call.completed debug {"call":1,"kind":"model","name":"main","usage":{"cached":2,"input":10,"output":4}}"#,
        );
    }
}
