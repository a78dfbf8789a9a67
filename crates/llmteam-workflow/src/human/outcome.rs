//! What happened to a run's questions, as the run hears of it.
//!
//! Invariant: an event is stored together with what it tells of, and told again until the run has consumed
//! it; its id says in which order things happened.

use llmteam_security::{clock::Timestamp, id::RequestId};
use serde::{Deserialize, Serialize};

use super::{interaction::Assignee, request::InteractionRequest, response::InteractionResponse};

/// One thing a run has yet to hear of.
#[derive(Clone, Debug, PartialEq)]
pub struct HumanEvent {
    /// What to consume it by; grows with time.
    pub id: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub outcome: HumanOutcome,
}

/// What happened to a question.
#[derive(Clone, Debug, PartialEq)]
pub enum HumanOutcome {
    /// It was answered.
    Answered {
        /// The question.
        request: Box<InteractionRequest>,
        /// The answer.
        response: Box<InteractionResponse>,
    },
    /// Its deadline passed, and the next of the chain is asked.
    Escalated {
        /// The question.
        request_id: RequestId,
        /// How many of the chain were asked by then.
        level: u32,
        /// Who is asked now.
        assignee: Assignee,
    },
    /// Its last deadline passed.
    TimedOut {
        /// The question.
        request_id: RequestId,
    },
    /// It was withdrawn.
    Cancelled {
        /// The question.
        request_id: RequestId,
        /// Why.
        reason: String,
    },
}

impl HumanOutcome {
    /// The question it happened to.
    pub fn request_id(&self) -> &RequestId {
        match self {
            Self::Answered { request, .. } => &request.request_id,
            Self::Escalated { request_id, .. }
            | Self::TimedOut { request_id }
            | Self::Cancelled { request_id, .. } => request_id,
        }
    }
}

/// The stored form of an outcome: the question and the answer are kept once, in rows of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Happened {
    /// See [`HumanOutcome::Answered`].
    Answered,
    /// See [`HumanOutcome::Escalated`].
    Escalated {
        /// How many of the chain were asked by then.
        level: u32,
        /// Who is asked now.
        assignee: Assignee,
    },
    /// See [`HumanOutcome::TimedOut`].
    TimedOut,
    /// See [`HumanOutcome::Cancelled`].
    Cancelled {
        /// Why.
        reason: String,
    },
}

impl Happened {
    /// The outcome for `request_id`; `None` when the question or its answer has been purged.
    pub(super) fn outcome(
        self,
        request_id: RequestId,
        answered: Option<(InteractionRequest, InteractionResponse)>,
    ) -> Option<HumanOutcome> {
        Some(match self {
            Self::Answered => {
                let (request, response) = answered?;
                HumanOutcome::Answered {
                    request: Box::new(request),
                    response: Box::new(response),
                }
            }
            Self::Escalated { level, assignee } => HumanOutcome::Escalated {
                request_id,
                level,
                assignee,
            },
            Self::TimedOut => HumanOutcome::TimedOut { request_id },
            Self::Cancelled { reason } => HumanOutcome::Cancelled { request_id, reason },
        })
    }
}
