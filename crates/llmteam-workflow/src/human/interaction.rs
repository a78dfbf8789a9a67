//! The closed sets of words that interactions are described with, and who can be asked.
//!
//! Invariant: on the wire each is exactly one of the strings listed; any other is a decoding error.

use std::{fmt, str::FromStr};

use llmteam_security::id::{InvalidId, PrincipalId};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractionType {
    /// Yes or no.
    Approval,
    /// One of several options.
    Choice,
    /// Data.
    Input,
    /// A look at something, and changes to it.
    Review,
    /// A dialogue, closed by an answer.
    Chat,
    /// Work done elsewhere.
    Task,
}

impl InteractionType {
    /// The wire string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Choice => "choice",
            Self::Input => "input",
            Self::Review => "review",
            Self::Chat => "chat",
            Self::Task => "task",
        }
    }
}

impl fmt::Display for InteractionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractionStatus {
    /// Asked.
    Pending,
    /// Asked, and a channel has delivered it.
    Notified,
    /// Somebody has claimed it.
    InProgress,
    /// Asked of the next in the escalation chain.
    Escalated,
    /// Answered.
    Completed,
    /// Answered with a refusal.
    Rejected,
    /// Not answered in time by anybody in the chain.
    Timeout,
    /// Withdrawn.
    Cancelled,
}

impl InteractionStatus {
    /// The wire string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Notified => "notified",
            Self::InProgress => "in_progress",
            Self::Escalated => "escalated",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the request can still be answered.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::Notified | Self::InProgress | Self::Escalated
        )
    }
}

impl fmt::Display for InteractionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much a request matters beside others.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum InteractionPriority {
    /// When there is time.
    Low,
    /// As it comes.
    #[default]
    Normal,
    /// Before others.
    High,
    /// Before everything.
    Critical,
}

impl InteractionPriority {
    /// The wire string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for InteractionPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Somebody who can be asked: a user id, or `group:<id>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Assignee {
    /// One person.
    User(PrincipalId),
    /// Any member of a group; its id follows the rule of user ids.
    Group(String),
}

impl FromStr for Assignee {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.strip_prefix("group:") {
            Some(group) => group
                .parse::<PrincipalId>()
                .map(|id| Self::Group(id.as_str().to_owned())),
            None => text.parse().map(Self::User),
        }
    }
}

impl TryFrom<String> for Assignee {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Assignee> for String {
    fn from(assignee: Assignee) -> Self {
        assignee.to_string()
    }
}

impl fmt::Display for Assignee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Group(id) => write!(f, "group:{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_refused() {
        // covers: workflow X-4
        for word in ["approval", "choice", "input", "review", "chat", "task"] {
            let it: InteractionType = serde_json::from_value(word.into()).unwrap();
            assert_eq!(it.as_str(), word);
        }
        for word in [
            "pending",
            "notified",
            "in_progress",
            "escalated",
            "completed",
            "rejected",
            "timeout",
            "cancelled",
        ] {
            let it: InteractionStatus = serde_json::from_value(word.into()).unwrap();
            assert_eq!(it.to_string(), word);
        }
        assert!(serde_json::from_str::<InteractionStatus>("\"Pending\"").is_err());
        assert!(serde_json::from_str::<InteractionPriority>("\"urgent\"").is_err());
        assert!(InteractionPriority::Critical > InteractionPriority::High);
    }

    #[test]
    fn a_group_is_written_with_its_prefix() {
        assert_eq!("group:legal".parse(), Ok(Assignee::Group("legal".into())));
        assert_eq!(
            "legal".parse(),
            Ok(Assignee::User("legal".parse().unwrap()))
        );
        for bad in ["", "group:", "group:a:b", "group: x", "user:x"] {
            assert!(bad.parse::<Assignee>().is_err(), "{bad}");
        }
        assert_eq!(
            serde_json::to_value(Assignee::Group("legal".into())).unwrap(),
            "group:legal"
        );
    }
}
