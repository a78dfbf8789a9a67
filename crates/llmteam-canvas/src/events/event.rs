//! One event of a run, as it is stored, sent and shown.
//!
//! Invariant: the JSON form always has all keys, in one order. Nothing here can hold a secret:
//! a `Secret` has no serialised form, so that it cannot get into a payload (R-04).
//!
//! ```compile_fail
//! let secret = llmteam_canvas::runtime::Secret::new("hunter2");
//! let payload = serde_json::to_value(secret);
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use llmteam_security::clock::Timestamp;
use llmteam_security::id::{InstanceId, InvalidId, RunId, SegmentId, StepId, TenantId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::payload::bounded;
use super::{EventSeverity, EventType, StepEvent};
use crate::canvas::handler::StepError;
use crate::runtime::RuntimeContext;

/// What failed, in an event or a result. All five keys are always written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// CamelCase name of the kind of error.
    pub error_type: String,
    /// What failed, for a person.
    pub error_message: String,
    /// Stable code, where one exists.
    #[serde(default)]
    pub error_code: Option<String>,
    /// Where it failed; only for runs that ask for it (N-04).
    #[serde(default)]
    pub stack_trace: Option<String>,
    /// Whether another attempt may succeed.
    #[serde(default)]
    pub recoverable: bool,
}

impl ErrorInfo {
    /// An error that is not recoverable, without a code.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            error_type: error_type.into(),
            error_message: message.into(),
            error_code: None,
            stack_trace: None,
            recoverable: false,
        }
    }

    /// What an error value says of itself: the name of its type and its text.
    pub fn of<E: std::error::Error>(error: &E, recoverable: bool) -> Self {
        let path = std::any::type_name::<E>();
        let name = path.split('<').next().and_then(|it| it.rsplit("::").next());
        Self {
            recoverable,
            ..Self::new(name.unwrap_or(path), error.to_string())
        }
    }
}

impl From<&StepError> for ErrorInfo {
    fn from(error: &StepError) -> Self {
        Self {
            error_type: error.error_type.clone(),
            error_message: error.error_message.clone(),
            error_code: error.error_code.clone(),
            stack_trace: None,
            recoverable: error.recoverable,
        }
    }
}

/// The id of an event: `<run id>:<n>`, n from 1 without gaps (E-01).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// The run.
    pub run_id: RunId,
    /// The event's number in the run.
    pub number: u64,
}

/// A text that is no event id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEventId {
    /// There is no number after a colon.
    #[error("an event id is `<run id>:<n>`, n from 1")]
    NoNumber,
    /// What is before the colon is no run id.
    #[error(transparent)]
    Run(#[from] InvalidId),
}

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let (run, number) = text.rsplit_once(':').ok_or(InvalidEventId::NoNumber)?;
        let number = number
            .parse()
            .ok()
            .filter(|n| *n > 0)
            .ok_or(InvalidEventId::NoNumber)?;
        Ok(Self {
            run_id: run.parse()?,
            number,
        })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.run_id, self.number)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// One event of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorktrailEvent {
    /// Run and number (E-01).
    pub event_id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// When.
    pub timestamp: Timestamp,
    /// The tenant of the run.
    pub tenant_id: TenantId,
    /// The workflow instance.
    pub instance_id: InstanceId,
    /// The run.
    pub run_id: RunId,
    /// The segment.
    pub segment_id: SegmentId,
    /// The step; none on segment events.
    #[serde(default)]
    pub step_id: Option<StepId>,
    /// `human_task` on human events, `action` on action events, else the step's type.
    #[serde(default)]
    pub step_type: Option<Arc<str>>,
    /// How serious it is.
    #[serde(default)]
    pub severity: EventSeverity,
    /// The host's own id for the run.
    #[serde(default)]
    pub correlation_id: Option<Arc<str>>,
    /// The event this one follows from (X-93).
    #[serde(default)]
    pub parent_event_id: Option<EventId>,
    /// Details, by event type.
    #[serde(default)]
    pub payload: Map<String, Value>,
    /// What failed.
    #[serde(default)]
    pub error: Option<ErrorInfo>,
    /// How long it took.
    #[serde(default)]
    pub duration_ms: Option<u64>,
}

impl WorktrailEvent {
    /// The event's number in its run.
    pub fn number(&self) -> u64 {
        self.event_id.number
    }

    /// The JSON text, all keys in order.
    ///
    /// # Errors
    /// None for an event that was made here; serde's signature has one.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads the JSON text. A missing severity is `info`, a time without a zone is UTC.
    ///
    /// # Errors
    /// The text is not an event; an unknown type is named (E-03).
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// What all events of a run share.
#[derive(Debug, Clone)]
pub struct EventSource {
    tenant_id: TenantId,
    instance_id: InstanceId,
    run_id: RunId,
    segment_id: SegmentId,
    correlation_id: Option<Arc<str>>,
}

impl EventSource {
    /// The source of a run's events.
    pub fn new(
        runtime: &RuntimeContext,
        segment_id: SegmentId,
        correlation_id: Option<Arc<str>>,
    ) -> Self {
        Self {
            tenant_id: runtime.tenant_id().clone(),
            instance_id: runtime.instance_id().clone(),
            run_id: runtime.run_id().clone(),
            segment_id,
            correlation_id,
        }
    }

    /// The event that says `what` under a number and a time.
    ///
    /// `step` is its id and type, `parent` the number of the event it follows from.
    pub fn event(
        &self,
        number: u64,
        timestamp: Timestamp,
        step: Option<(&StepId, &Arc<str>)>,
        parent: Option<u64>,
        what: StepEvent,
    ) -> WorktrailEvent {
        let id = |number| EventId {
            run_id: self.run_id.clone(),
            number,
        };
        WorktrailEvent {
            event_id: id(number),
            event_type: what.event_type,
            timestamp,
            tenant_id: self.tenant_id.clone(),
            instance_id: self.instance_id.clone(),
            run_id: self.run_id.clone(),
            segment_id: self.segment_id.clone(),
            step_id: step.map(|(id, _)| id.clone()),
            step_type: step.map(|(_, its)| shown_type(what.event_type, its)),
            severity: what.severity,
            correlation_id: self.correlation_id.clone(),
            parent_event_id: parent.map(id),
            payload: bounded(what.payload),
            error: what.error,
            duration_ms: what.duration_ms,
        }
    }
}

/// The step type an event shows.
fn shown_type(event: EventType, its: &Arc<str>) -> Arc<str> {
    if event.is_human() {
        Arc::from("human_task")
    } else if event.is_action() {
        Arc::from("action")
    } else {
        Arc::clone(its)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::testing::{at, event_of};
    use crate::runtime::testing::runtime;

    fn source() -> EventSource {
        EventSource::new(
            &runtime("r1"),
            "seg".parse().unwrap(),
            Some("ticket-7".into()),
        )
    }

    // covers: events 5, events 6, events 7, events 9
    #[test]
    fn json_has_all_keys_in_order() {
        let step = ("work".parse().unwrap(), Arc::from("transform"));
        let what = StepEvent::step_completed(12, &json!({ "output": 1 }), 2);
        let event = source().event(4, at(0), Some((&step.0, &step.1)), Some(2), what);
        assert_eq!(
            event.to_json().unwrap(),
            r#"{"event_id":"r1:4","event_type":"step.completed","timestamp":"1970-01-01T00:00:00.000000Z","tenant_id":"t","instance_id":"r1","run_id":"r1","segment_id":"seg","step_id":"work","step_type":"transform","severity":"info","correlation_id":"ticket-7","parent_event_id":"r1:2","payload":{"activation":2,"output":{"output":1}},"error":null,"duration_ms":12}"#
        );
        let failed = source().event(
            1,
            at(0),
            None,
            None,
            StepEvent::segment_failed(ErrorInfo::new("Boom", "it broke"), None),
        );
        let json = failed.to_json().unwrap();
        assert!(
            json.contains(r#""step_id":null,"step_type":null,"severity":"error""#),
            "{json}"
        );
        assert!(
            json.contains(r#""error":{"error_type":"Boom","error_message":"it broke","error_code":null,"stack_trace":null,"recoverable":false},"duration_ms":null}"#),
            "{json}"
        );
    }

    // covers: events 8, E-03
    #[test]
    fn what_is_missing_has_a_default_and_what_is_unknown_is_named() {
        let text = r#"{"event_id":"r:7","event_type":"step.completed","timestamp":"2024-05-01T10:00:00","tenant_id":"t","instance_id":"i","run_id":"r","segment_id":"s","duration_ms":3}"#;
        let event = WorktrailEvent::from_json(text).unwrap();
        assert_eq!(event.severity, EventSeverity::Info);
        assert_eq!(
            event.timestamp,
            Timestamp::parse("2024-05-01T10:00:00Z").unwrap()
        );
        assert_eq!((event.number(), event.duration_ms), (7, Some(3)));
        assert_eq!(
            WorktrailEvent::from_json(&event.to_json().unwrap()).unwrap(),
            event
        );
        let error =
            WorktrailEvent::from_json(&text.replace("step.completed", "step.done")).unwrap_err();
        assert!(error.to_string().contains("step.done"));
    }

    // covers: E-01, events 19
    #[test]
    fn an_id_is_a_run_and_a_number_from_one() {
        let id: EventId = "run.a-1:12".parse().unwrap();
        assert_eq!((id.run_id.as_str(), id.number), ("run.a-1", 12));
        for bad in ["r", "r:", "r:0", "r:-1", ":1", "r:1:2", "r: 1"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
        let ids: Vec<_> = (1..=2)
            .map(|n| {
                source()
                    .event(n, at(0), None, None, StepEvent::segment_cancelled(""))
                    .event_id
                    .to_string()
            })
            .collect();
        assert_eq!(ids, ["r1:1", "r1:2"]);
    }

    // covers: events 10, events 15
    #[test]
    fn the_step_type_follows_the_group() {
        let step = ("ask".parse().unwrap(), Arc::from("my_type"));
        let shown = |what| {
            source()
                .event(1, at(0), Some((&step.0, &step.1)), None, what)
                .step_type
                .unwrap()
        };
        assert_eq!(&*shown(StepEvent::step_started(&json!({}), 1)), "my_type");
        assert_eq!(
            &*shown(StepEvent::human_task_assigned("req_1", "ann")),
            "human_task"
        );
        assert_eq!(
            &*shown(StepEvent::action_started("http_action", None)),
            "action"
        );
    }

    // covers: events 1, events 2, events 3
    #[test]
    fn error_info_needs_type_and_text_only() {
        let info: ErrorInfo = serde_json::from_value(
            json!({ "error_type": "A", "error_message": "b", "error_code": "C" }),
        )
        .unwrap();
        assert_eq!(
            (info.error_code.as_deref(), info.recoverable),
            (Some("C"), false)
        );
        assert!(serde_json::from_value::<ErrorInfo>(json!({ "error_type": "A" })).is_err());
    }

    // covers: events 4, N-04
    #[test]
    fn an_error_value_gives_its_type_and_text() {
        #[derive(Debug, thiserror::Error)]
        #[error("no {0} left")]
        struct OutOfStock<T: fmt::Debug>(T);
        let info = ErrorInfo::of(&OutOfStock(std::vec::Vec::<u8>::new().len()), true);
        assert_eq!(
            (info.error_type.as_str(), info.error_message.as_str()),
            ("OutOfStock", "no 0 left")
        );
        assert_eq!((info.recoverable, info.stack_trace), (true, None));
        let step = StepError::outcome_unknown("it broke");
        let info = ErrorInfo::from(&step);
        assert_eq!(
            (info.error_code.as_deref(), info.recoverable),
            (Some("OUTCOME_UNKNOWN"), false)
        );
    }

    // covers: X-92
    #[test]
    fn a_handlers_payload_is_bounded_too() {
        let mut what = StepEvent::action_started("http_action", None);
        what.payload
            .insert("body".into(), Value::String("x".repeat(1 << 17)));
        let event = source().event(1, at(0), None, None, what);
        assert_eq!(event.payload["truncated"], json!(true));
    }

    // covers: events 11, E-02
    #[test]
    fn hooks_are_called_once_each_and_a_panicking_one_changes_nothing() {
        use std::sync::Mutex;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let seen = Arc::clone(&seen);
            move |event: &WorktrailEvent| seen.lock().unwrap().push((name, event.event_type))
        };
        let runtime = runtime("r").copy(|it| {
            it.on_step_start(note("start"))
                .on_step_complete(|_| panic!("a hook's own fault"))
                .on_event(note("event"))
        });
        for kind in [
            EventType::StepStarted,
            EventType::StepCompleted,
            EventType::StepFailed,
        ] {
            runtime.notify(&event_of("t", "r", 1, kind, Some("a")));
        }
        let seen = seen.lock().unwrap();
        assert_eq!(
            *seen,
            [
                ("start", EventType::StepStarted),
                ("event", EventType::StepStarted),
                ("event", EventType::StepCompleted),
                ("event", EventType::StepFailed),
            ]
        );
    }
}
