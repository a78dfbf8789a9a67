//! The names of events and how serious they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A name that is no event type (E-03).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an event type")]
pub struct UnknownEventType(String);

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $wire:literal,)*) => {
        /// What an event says. The wire strings never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $($(#[$doc])* $name,)*
        }

        impl EventType {
            /// All types, in the order of the table of events.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The wire string.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $wire,)*
                }
            }
        }

        impl FromStr for EventType {
            type Err = UnknownEventType;

            fn from_str(text: &str) -> Result<Self, UnknownEventType> {
                match text {
                    $($wire => Ok(Self::$name),)*
                    _ => Err(UnknownEventType(text.chars().take(64).flat_map(char::escape_default).collect())),
                }
            }
        }
    };
}

event_types! {
    /// A run began.
    SegmentStarted = "segment.started",
    /// A run ended well.
    SegmentCompleted = "segment.completed",
    /// A run failed or timed out.
    SegmentFailed = "segment.failed",
    /// A run was cancelled.
    SegmentCancelled = "segment.cancelled",
    /// A run was paused.
    SegmentPaused = "segment.paused",
    /// A paused run went on.
    SegmentResumed = "segment.resumed",
    /// A step began.
    StepStarted = "step.started",
    /// A step ended well.
    StepCompleted = "step.completed",
    /// A step failed for good.
    StepFailed = "step.failed",
    /// A step will not run.
    StepSkipped = "step.skipped",
    /// A step failed and will be tried again.
    StepRetrying = "step.retrying",
    /// A question was put to a person.
    HumanTaskCreated = "human.task_created",
    /// A question was given to somebody.
    HumanTaskAssigned = "human.task_assigned",
    /// A question was answered.
    HumanTaskCompleted = "human.task_completed",
    /// A question went to the next in the chain.
    HumanTaskEscalated = "human.task_escalated",
    /// An action began.
    ActionStarted = "action.started",
    /// An action ended well.
    ActionCompleted = "action.completed",
    /// An action failed.
    ActionFailed = "action.failed",
    /// A step put a value on a port.
    DataProduced = "data.produced",
    /// A step took a value from a port.
    DataConsumed = "data.consumed",
    /// A model or tool was called.
    CallStarted = "call.started",
    /// A model or tool answered.
    CallCompleted = "call.completed",
    /// A model or tool failed.
    CallFailed = "call.failed",
    /// A critic loop began.
    CriticLoopStarted = "critic_loop.started",
    /// A critic loop began another iteration.
    CriticLoopIterationStarted = "critic_loop.iteration_started",
    /// The generator of a critic loop answered.
    CriticLoopGeneratorCompleted = "critic_loop.generator_completed",
    /// The critic of a critic loop answered.
    CriticLoopCriticCompleted = "critic_loop.critic_completed",
    /// An iteration of a critic loop ended.
    CriticLoopIterationCompleted = "critic_loop.iteration_completed",
    /// An iteration of a critic loop scored better than all before it.
    CriticLoopImprovement = "critic_loop.improvement",
    /// An iteration of a critic loop did not.
    CriticLoopNoImprovement = "critic_loop.no_improvement",
    /// A critic loop ended.
    CriticLoopCompleted = "critic_loop.completed",
}

impl EventType {
    /// Whether a stream of events ends with it.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::SegmentCompleted | Self::SegmentFailed | Self::SegmentCancelled
        )
    }

    /// Whether it says how a run or a step fares; only the run itself emits these.
    pub fn is_lifecycle(self) -> bool {
        self.is_in("segment.") || self.is_in("step.")
    }

    /// Whether it is about a call to a model or tool.
    pub fn is_call(self) -> bool {
        self.is_in("call.")
    }

    /// Whether it is about a question to a person.
    pub fn is_human(self) -> bool {
        self.is_in("human.")
    }

    /// Whether it is about an action.
    pub fn is_action(self) -> bool {
        self.is_in("action.")
    }

    fn is_in(self, group: &str) -> bool {
        self.as_str().starts_with(group)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// How serious an event is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum EventSeverity {
    /// For those who look closely.
    Debug,
    /// The usual course.
    #[default]
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: E-03
    #[test]
    fn every_type_is_read_back_and_an_unknown_one_is_named() {
        for kind in EventType::ALL {
            let json = serde_json::to_string(kind).unwrap();
            assert_eq!(serde_json::from_str::<EventType>(&json).unwrap(), *kind);
        }
        let error = serde_json::from_str::<EventType>("\"step.exploded\"").unwrap_err();
        assert!(error.to_string().contains("`step.exploded`"), "{error}");
    }

    #[test]
    fn the_groups_are_told_apart() {
        let terminal: Vec<_> = EventType::ALL
            .iter()
            .filter(|it| it.is_terminal())
            .collect();
        assert_eq!(terminal.len(), 3);
        let lifecycle = EventType::ALL.iter().filter(|it| it.is_lifecycle()).count();
        assert_eq!(lifecycle, 11);
        assert!(EventType::CallFailed.is_call() && !EventType::CriticLoopStarted.is_call());
    }
}
