//! How a run ended, when it did not fail.
//!
//! Invariant: only [`OutcomeKind::Completed`] is a success; whatever else the caller should know is a warning with a type.
//! This module does not know how a run proceeds.

use std::fmt;

use llmteam_security::AgentId;
use serde::Serialize;

use super::super::{agent::Fields, decision::OrchestrationDecision, run::RunPath, words::words};

words! {
    /// How a run ended.
    OutcomeKind, "an outcome of a run" {
        /// It was decided that the run is done.
        Completed = "completed",
        /// It was decided that somebody above, or a person, must see to it.
        Escalated = "escalated",
        /// A decision named nobody who is registered.
        NoTarget = "no_target",
        /// The model that decides gave no answer that could be used.
        ParseError = "parse_error",
    }
}

/// What a caller should know of a run that did not fail.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum Warning {
    /// A decision named an agent that is not registered.
    MissingTarget {
        /// Whom.
        agent: AgentId,
    },
    /// An agent did not say in what state it is; it counted as unknown.
    StateUnknown {
        /// Who.
        agent: AgentId,
        /// What it said instead.
        reason: String,
    },
    /// An agent failed and the run went on without it.
    FailurePassedOver {
        /// Who.
        agent: AgentId,
        /// What it met.
        error: String,
    },
    /// Agents that worked at the same time gave one field different values; the last of them counts.
    Conflict {
        /// The field.
        field: String,
        /// Who gave it, in the order of the targets.
        agents: Vec<AgentId>,
    },
    /// Process mining did not take an event.
    Unrecorded {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingTarget { agent } => write!(f, "agent `{agent}` is not registered"),
            Self::StateUnknown { agent, reason } => {
                write!(f, "the state of agent `{agent}` is unknown: {reason}")
            }
            Self::FailurePassedOver { agent, error } => {
                write!(f, "agent `{agent}` failed and was passed over: {error}")
            }
            Self::Conflict { field, agents } => {
                let agents: Vec<&str> = agents.iter().map(AgentId::as_str).collect();
                write!(
                    f,
                    "`{}` gave `{field}` different values",
                    agents.join("`, `")
                )
            }
            Self::Unrecorded { reason } => write!(f, "an event was not recorded: {reason}"),
        }
    }
}

/// What a run reached, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OrchestrationOutcome {
    /// Which run.
    pub run: RunPath,
    /// How it ended.
    pub kind: OutcomeKind,
    /// The input and what the agents made of it.
    pub state: Fields,
    /// The decision that ended it.
    pub decision: OrchestrationDecision,
    /// How many decisions there were, the last included.
    pub steps: u32,
    /// What else is worth knowing, in the order of occurrence, each once.
    pub warnings: Vec<Warning>,
}

impl OrchestrationOutcome {
    /// Whether the run is done as it should be.
    pub fn is_success(&self) -> bool {
        self.kind == OutcomeKind::Completed
    }
}
