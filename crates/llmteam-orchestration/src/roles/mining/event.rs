//! One recorded event: who did what, in which case, and when.
//!
//! Invariant: nothing; an event is plain data, and the log that takes it checks it. This module does not know
//! who records events, nor how the two events of one piece of work find each other: see [`super::log`].

use std::num::NonZeroU32;

use llmteam_security::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::Fields,
    error::{MiningError, check_text},
};

/// Names that the fields of an event have in a log; no attribute may take one.
const RESERVED: [&str; 11] = [
    "concept:name",
    "org:resource",
    "time:timestamp",
    "lifecycle:transition",
    "start_timestamp",
    "identity:id",
    "cost:total",
    "duration_ms",
    "llmteam:outcome",
    "llmteam:attempt",
    "llmteam:waits",
];

/// What an event says of a piece of work.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// It begins.
    Start,
    /// It is over, or all of it is this one moment.
    #[default]
    Complete,
    /// It waits.
    Suspend,
    /// It goes on.
    Resume,
    /// Not work but a choice of what to do next. Kept in a log, and left out of what is discovered from it.
    Decision,
}

impl Lifecycle {
    /// The name in logs: `start`, `complete`, `suspend`, `resume`, `decision`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Complete => "complete",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Decision => "decision",
        }
    }

    /// The lifecycle of a name, in any case of letters.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Complete,
            Self::Start,
            Self::Suspend,
            Self::Resume,
            Self::Decision,
        ];
        all.into_iter()
            .find(|it| it.as_str().eq_ignore_ascii_case(name))
    }
}

/// How a piece of work, or a case, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As intended.
    Completed,
    /// It failed.
    Failed,
    /// It was called off.
    Cancelled,
}

impl Outcome {
    /// The name in logs: `completed`, `failed`, `cancelled`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome of a name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Completed, Self::Failed, Self::Cancelled];
        all.into_iter().find(|it| it.as_str() == name)
    }
}

/// One recorded event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessEvent {
    /// Names the event among all.
    pub event_id: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What was done.
    pub activity: String,
    /// Who did it.
    pub resource: String,
    /// For what: usually the run.
    pub case_id: String,
    /// What the event says of the work.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// How long the work took, in milliseconds. Counts only where no start was recorded.
    #[serde(default)]
    pub duration_ms: u64,
    /// What the work cost, in the currency of the host.
    #[serde(default)]
    pub cost: f64,
    /// How the work ended, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Which attempt it was, where that is known; 1 is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<NonZeroU32>,
    /// Anything else. `concept:instance` ties the events of one piece of work together; `decision`, when true,
    /// marks a decision as [`Lifecycle::Decision`] does. Nested values are kept as JSON text, nulls not at all.
    #[serde(default)]
    pub attributes: Fields,
}

impl ProcessEvent {
    /// The completion of an activity, without duration, cost or attributes.
    pub fn new(
        event_id: impl Into<String>,
        timestamp: Timestamp,
        activity: impl Into<String>,
        resource: impl Into<String>,
        case_id: impl Into<String>,
    ) -> Self {
        Self {
            event_id: event_id.into(),
            timestamp,
            activity: activity.into(),
            resource: resource.into(),
            case_id: case_id.into(),
            lifecycle: Lifecycle::Complete,
            duration_ms: 0,
            cost: 0.0,
            outcome: None,
            attempt: None,
            attributes: Fields::new(),
        }
    }

    /// The event under another lifecycle.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }

    /// Whether a log can hold the event.
    ///
    /// # Errors
    ///
    /// A character that XML cannot hold, an attribute under the name of a field or under none, a cost that is no
    /// finite number.
    pub fn check(&self) -> Result<(), MiningError> {
        for text in [
            &self.event_id,
            &self.activity,
            &self.resource,
            &self.case_id,
        ] {
            check_text(text)?;
        }
        if !self.cost.is_finite() {
            return Err(MiningError::InvalidCost {
                event_id: self.event_id.clone(),
            });
        }
        for (key, value) in &self.attributes {
            if key.is_empty() {
                return Err(MiningError::EmptyKey);
            }
            if RESERVED.contains(&&**key) {
                return Err(MiningError::ReservedKey { key: key.clone() });
            }
            check_text(key)?;
            value.as_str().map_or(Ok(()), check_text)?;
        }
        Ok(())
    }

    /// Whether the event is a decision: by its lifecycle, or by the attribute `decision`.
    pub fn is_decision(&self) -> bool {
        self.lifecycle == Lifecycle::Decision
            || self
                .attributes
                .get("decision")
                .is_some_and(|it| it.as_bool() == Some(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: PM01
    #[test]
    fn an_event_keeps_its_fields() {
        let at = Timestamp::from_micros(1_000_000);
        let event =
            ProcessEvent::new("e1", at, "draft", "writer", "run_1").lifecycle(Lifecycle::Start);
        assert_eq!(
            (
                &*event.event_id,
                &*event.activity,
                &*event.resource,
                &*event.case_id
            ),
            ("e1", "draft", "writer", "run_1")
        );
        assert_eq!((event.timestamp, event.lifecycle), (at, Lifecycle::Start));
        assert_eq!((event.duration_ms, event.cost), (0, 0.0));
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.contains(r#""lifecycle":"start""#), "{text}");
        assert_eq!(serde_json::from_str::<ProcessEvent>(&text).unwrap(), event);
    }

    // covers: M12, M13
    #[test]
    fn what_a_log_cannot_hold_is_refused() {
        let event = ProcessEvent::new("e1", Timestamp::from_micros(0), "draft", "writer", "run_1");
        assert_eq!(event.check(), Ok(()));
        let with = |key: &str, value: &str| {
            let mut event = event.clone();
            event.attributes.insert(key.to_owned(), value.into());
            event.check()
        };
        assert_eq!(with("a b", "& \" <b>\n😀"), Ok(()));
        assert_eq!(with("", "x"), Err(MiningError::EmptyKey));
        let reserved = MiningError::ReservedKey {
            key: "concept:name".to_owned(),
        };
        assert_eq!(with("concept:name", "forged"), Err(reserved));
        assert!(with("a", "\u{1b}[31m").is_err());
        let forged = ProcessEvent {
            activity: "a\0b".to_owned(),
            ..event.clone()
        };
        assert!(forged.check().is_err());
        assert!(
            ProcessEvent {
                cost: f64::NAN,
                ..event
            }
            .check()
            .is_err()
        );
    }

    #[test]
    fn names_are_read_back() {
        for it in ["start", "complete", "suspend", "resume", "decision"] {
            assert_eq!(Lifecycle::parse(it).unwrap().as_str(), it);
        }
        assert_eq!(Lifecycle::parse("COMPLETE"), Some(Lifecycle::Complete));
        assert_eq!(Lifecycle::parse("schedule"), None);
        for it in ["completed", "failed", "cancelled"] {
            assert_eq!(Outcome::parse(it).unwrap().as_str(), it);
        }
    }
}
