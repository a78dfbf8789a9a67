//! What became of one agent.
//!
//! Invariant: a result is a success or an error, never both and never neither; an error says its kind and a
//! message that is not empty. This file does not know how the agent was run.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::roles::{AgentError, AgentErrorKind, Fields};

/// Names one agent's turn in one batch, `tsk_<32 hex digits>.<place>`: the same for all its attempts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    batch: Arc<str>,
    place: usize,
}

impl TaskId {
    pub(super) fn new(batch: &Arc<str>, place: usize) -> Self {
        let batch = Arc::clone(batch);
        Self { batch, place }
    }

    /// The agent's place in its batch, from 0.
    pub fn place(&self) -> usize {
        self.place
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.batch, self.place)
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Why an agent has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskErrorKind {
    /// Its last attempt took longer than `task_timeout`.
    Timeout,
    /// The batch took longer than `total_timeout`.
    TotalTimeout,
    /// The agent failed, and as often again as it was asked.
    Failed,
    /// The agent failed in a way that no other attempt would change.
    Permanent,
    /// The agent gave up because it was told to, or the batch was cancelled.
    Cancelled,
    /// The agent panicked.
    Panicked,
    /// There was neither a slot nor a place in the queue.
    QueueFull,
}

impl TaskErrorKind {
    /// The kind as results and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Failed => "failed",
            Self::Permanent => "permanent",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
            Self::QueueFull => "queue_full",
        }
    }

    /// Whether another attempt may end otherwise.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Timeout | Self::Failed)
    }
}

/// Why an agent has no result, for machines and for people. The message is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    kind: TaskErrorKind,
    /// `None` where the kind says it all.
    message: Option<Box<str>>,
}

impl TaskError {
    /// An error with a message; an empty one becomes the name of the kind.
    pub fn new(kind: TaskErrorKind, message: &str) -> Self {
        let message = (!message.trim().is_empty()).then(|| message.into());
        Self { kind, message }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> TaskErrorKind {
        self.kind
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or(self.kind.as_str())
    }
}

impl From<TaskErrorKind> for TaskError {
    fn from(kind: TaskErrorKind) -> Self {
        let message = None;
        Self { kind, message }
    }
}

impl From<AgentError> for TaskError {
    fn from(error: AgentError) -> Self {
        let kind = match error.kind() {
            AgentErrorKind::Transient => TaskErrorKind::Failed,
            AgentErrorKind::Permanent => TaskErrorKind::Permanent,
            AgentErrorKind::Cancelled => TaskErrorKind::Cancelled,
        };
        Self::new(kind, error.message())
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for TaskError {}

/// What became of one agent. In JSON `success`, `result`, `error` and `error_kind` stand for the outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskResult {
    /// Which turn it was.
    pub task_id: TaskId,
    /// The agent's name, or `unknown`.
    pub agent_name: String,
    /// What the agent returned, or why it did not.
    pub outcome: Result<Fields, TaskError>,
    /// From the start of its first attempt to the end of its last, pauses included; zero when it never started.
    pub duration: Duration,
    /// How many attempts followed the first.
    pub retries: u32,
}

impl TaskResult {
    /// Whether the agent returned something.
    pub fn success(&self) -> bool {
        self.outcome.is_ok()
    }

    /// What it returned.
    pub fn result(&self) -> Option<&Fields> {
        self.outcome.as_ref().ok()
    }

    /// Why it returned nothing.
    pub fn error(&self) -> Option<&TaskError> {
        self.outcome.as_ref().err()
    }
}

impl Serialize for TaskResult {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut json = to.serialize_struct("TaskResult", 9)?;
        json.serialize_field("task_id", &self.task_id)?;
        json.serialize_field("agent_name", &self.agent_name)?;
        json.serialize_field("success", &self.success())?;
        json.serialize_field("result", &self.result())?;
        json.serialize_field("error", &self.error().map(TaskError::message))?;
        json.serialize_field("error_kind", &self.error().map(TaskError::kind))?;
        json.serialize_field("duration_ms", &self.duration.as_millis())?;
        json.serialize_field("duration_us", &self.duration.as_micros())?;
        json.serialize_field("retries", &self.retries)?;
        json.end()
    }
}
