//! What a run's journal says: the facts from outside that the machine folds.
//!
//! Everything else about a run (which step starts, which is skipped, what the output is) follows
//! from these facts and the plan. Raise [`RECORD_VERSION`] when an older reader would misread one.

use std::sync::Arc;
use std::time::Duration;

use llmteam_security::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canvas::handler::StepError;
use crate::canvas::plan::StepIndex;
use crate::events::StepEvent;
use crate::runtime::LocalState;

/// Format of the record body. Readers accept older; writers refuse newer.
pub const RECORD_VERSION: u16 = 1;

/// One record: a fact, when it happened, and the number of its first event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// When it happened; never before the record in front of it.
    #[serde(with = "micros")]
    pub time: Timestamp,
    /// Number of the first event that folding this record makes (E-01).
    pub first_event: u64,
    /// How long at least one step had been running by then, in microseconds.
    pub active_us: u64,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The run began.
    Started {
        /// The run input.
        input: Arc<Value>,
        /// How the run is to be run.
        settings: Arc<RunSettings>,
        /// A reachable step without a handler: the run fails before anything starts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_handler: Option<StepIndex>,
    },
    /// An attempt, or the answer to a suspended step, came to an end.
    StepEnded {
        /// The step.
        step: StepIndex,
        /// Its result.
        result: Ending,
        /// Step-local state at that moment.
        #[serde(default, skip_serializing_if = "LocalState::is_empty")]
        state: LocalState,
        /// The answer that ended it, if it was suspended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Box<AnswerFact>>,
    },
    /// A retry delay is over; the next attempt begins.
    RetryDue {
        /// The step.
        step: StepIndex,
    },
    /// A call that must not be repeated is about to be made.
    Intent {
        /// The step.
        step: StepIndex,
        /// Number of the call in the activation.
        n: u32,
    },
    /// A step asked a person and is suspended.
    Asked {
        /// The step.
        step: StepIndex,
        /// Id of the request.
        request_id: String,
        /// Its kind: `approval`, `choice`, `input` or `review`.
        task_type: String,
        /// Who is to answer, if it is addressed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignee: Option<String>,
        /// Step-local state at that moment.
        #[serde(default, skip_serializing_if = "LocalState::is_empty")]
        state: LocalState,
    },
    /// Nobody answered in time and the next in the chain was asked.
    Escalated {
        /// The step.
        step: StepIndex,
        /// The new level, from 1.
        level: u32,
        /// Who is asked now.
        assignee: String,
    },
    /// A handler emitted an event.
    Emitted {
        /// The step.
        step: StepIndex,
        /// The event.
        event: Box<StepEvent>,
    },
    /// Steps are no longer started.
    PauseRequested,
    /// Steps are started again: the snapshot could not be saved, or a resume has applied
    /// what happened during the pause.
    Continued,
    /// Nothing runs any more and the snapshot is saved.
    Paused {
        /// Id of the snapshot.
        snapshot_id: String,
    },
    /// The run goes on from its snapshot.
    Resumed {
        /// Id of the snapshot.
        snapshot_id: String,
        /// New settings, if the resume brought some.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settings: Option<Arc<RunSettings>>,
    },
    /// The run was cancelled.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// The segment's time was used up.
    TimedOut,
}

impl Fact {
    /// The record's kind as the journal names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::StepEnded { .. } => "step_result",
            Self::RetryDue { .. } => "timer_fired",
            Self::Intent { .. } => "step_intent",
            Self::Asked { .. } => "approval_asked",
            Self::Escalated { .. } => "approval_escalated",
            Self::Emitted { .. } => "event",
            Self::PauseRequested => "pause_asked",
            Self::Continued => "continued",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Cancelled { .. } => "cancel_asked",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether a step completed by it.
    pub fn is_completion(&self) -> bool {
        matches!(
            self,
            Self::StepEnded {
                result: Ending::Ok(_),
                ..
            }
        )
    }

    /// The step that the fact is about.
    pub fn step(&self) -> Option<StepIndex> {
        match self {
            Self::StepEnded { step, .. }
            | Self::RetryDue { step }
            | Self::Intent { step, .. }
            | Self::Asked { step, .. }
            | Self::Escalated { step, .. }
            | Self::Emitted { step, .. } => Some(*step),
            _ => None,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With a result.
    Ok(Arc<Value>),
    /// With an error.
    Err(Box<StepError>),
}

/// The answer that ended a suspended step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerFact {
    /// Id of the request.
    pub request_id: String,
    /// Who answered; none when nobody did in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<String>,
    /// From asking to answering, in milliseconds.
    pub duration_ms: u64,
}

/// The part of a run's configuration that decides what happens; it is recorded with the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSettings {
    /// Limit on running time; none: the segment's own.
    #[serde(with = "duration_us")]
    pub timeout: Option<Duration>,
    /// Retries of a step that asks for none itself; none: the segment's own.
    pub max_retries: Option<u32>,
    /// Delay before the second attempt.
    #[serde(with = "span_us")]
    pub retry_delay: Duration,
    /// Factor from one delay to the next.
    pub retry_backoff: f64,
    /// Longest delay.
    #[serde(with = "span_us")]
    pub max_retry_delay: Duration,
    /// Steps that may run at once when the segment runs in parallel.
    pub max_parallel_steps: u32,
    /// Completions between recovery snapshots; 0: none.
    pub snapshot_interval: u32,
    /// Copied to every event.
    pub correlation_id: Option<String>,
    /// Whether data events are emitted.
    pub emit_data_events: bool,
    /// Whether call events are emitted.
    pub emit_call_events: bool,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl RunSettings {
    /// What holds unless the host says otherwise.
    pub(super) const DEFAULT: Self = Self {
        timeout: None,
        max_retries: None,
        retry_delay: Duration::from_secs(1),
        retry_backoff: 2.0,
        max_retry_delay: Duration::from_secs(30),
        max_parallel_steps: 10,
        snapshot_interval: 0,
        correlation_id: None,
        emit_data_events: false,
        emit_call_events: false,
    };

    /// The delay after failed attempt number `attempt`.
    pub fn delay_after(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.retry_delay.as_secs_f64() * self.retry_backoff.powi(exponent);
        Duration::try_from_secs_f64(seconds)
            .map_or(self.max_retry_delay, |it| it.min(self.max_retry_delay))
    }
}

mod micros {
    use llmteam_security::clock::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.as_micros())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_micros)
    }
}

mod span_us {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}

mod duration_us {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX))
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn the_delay_grows_by_its_factor_up_to_the_limit() {
        let settings = RunSettings::default();
        let seconds: Vec<u64> = [1, 2, 3, 5, 6, 500]
            .map(|n| settings.delay_after(n).as_secs())
            .into();
        assert_eq!(seconds, [1, 2, 4, 16, 30, 30]);
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let record = JournalRecord {
            time: Timestamp::from_micros(1_700_000_000_000_001),
            first_event: 7,
            active_us: 12,
            fact: Fact::StepEnded {
                step: StepIndex::new(3),
                result: Ending::Err(Box::new(StepError::cancelled())),
                state: LocalState::default(),
                answer: None,
            },
        };
        let text = serde_json::to_string(&record).expect("a record is JSON");
        assert_eq!(
            serde_json::from_str::<JournalRecord>(&text).expect("it reads back"),
            record
        );
    }
}
