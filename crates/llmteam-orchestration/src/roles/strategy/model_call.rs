//! What is kept of each call of a model that decides: who asked, what it cost, how it ended.
//!
//! Invariant: a call is recorded before its answer is used, and a call that cannot be recorded decides nothing. Neither
//! prompts nor answers are in the record, only their length.
//! This module does not know how a model is called.

use std::time::Duration;

use async_trait::async_trait;
use llmteam_security::{
    AgentId,
    audit::{Actor, AuditEvent, AuditEventType, AuditTrail},
};
use serde_json::{Value, json};

use super::super::run::RunPath;
use crate::llm::Usage;

/// One call of a model for a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCall {
    /// Whose run it was for; `None` for a context made by hand.
    pub pipeline_id: Option<AgentId>,
    /// Which run it was for.
    pub run: Option<RunPath>,
    /// Which question of this decision, from 1: more than 1 after an answer that could not be used.
    pub ask: u32,
    /// Which call for this question, from 1: more than 1 after a call that failed.
    pub call: u32,
    /// The length of the conversation that was sent, in characters.
    pub prompt_chars: usize,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: ModelCallOutcome,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelCallOutcome {
    /// The model answered.
    Answered {
        /// The model, as its vendor names it.
        model: String,
        /// What it cost.
        usage: Usage,
        /// The length of the answer, in characters.
        answer_chars: usize,
    },
    /// It did not.
    Failed {
        /// The code of the error.
        code: &'static str,
    },
}

/// Where calls of models are recorded.
#[async_trait]
pub trait ModelCallLog: Send + Sync {
    /// Records `call`, durably when it returns.
    ///
    /// # Errors
    ///
    /// Says why it could not; the answer then does not count.
    async fn record(&self, call: &ModelCall) -> Result<(), String>;
}

/// Records in the audit trail of a tenant.
#[derive(Clone, Debug)]
pub struct AuditModelCalls {
    trail: AuditTrail,
}

impl AuditModelCalls {
    /// Records in `trail`.
    pub fn new(trail: AuditTrail) -> Self {
        Self { trail }
    }
}

#[async_trait]
impl ModelCallLog for AuditModelCalls {
    async fn record(&self, call: &ModelCall) -> Result<(), String> {
        let logged = self.trail.log(event_of(call)).await;
        logged.map(drop).map_err(|error| error.to_string())
    }
}

fn event_of(call: &ModelCall) -> AuditEvent {
    let mut metadata = serde_json::Map::new();
    let mut note = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
    note("ask", json!(call.ask));
    note("call", json!(call.call));
    note("prompt_chars", json!(call.prompt_chars));
    note(
        "duration_us",
        json!(u64::try_from(call.duration.as_micros()).unwrap_or(u64::MAX)),
    );
    if let Some(run) = &call.run {
        note("run_path", json!(run));
    }
    let event_type = match &call.outcome {
        ModelCallOutcome::Answered {
            model,
            usage,
            answer_chars,
        } => {
            note("model", json!(model));
            note("usage", json!(usage));
            note("answer_chars", json!(answer_chars));
            AuditEventType::ActionCompleted
        }
        ModelCallOutcome::Failed { .. } => AuditEventType::ActionFailed,
    };
    let pipeline = call.pipeline_id.as_ref().map_or("", AgentId::as_str);
    let actor = call.pipeline_id.as_ref();
    let event = AuditEvent::new(event_type)
        .by(actor.map_or_else(Actor::system, Actor::pipeline_orchestrator))
        .with_pipeline(pipeline)
        .with_run(call.run.as_ref().map_or("", |it| it.run().as_str()))
        .with_action("llm_decision")
        .with_metadata(metadata);
    match &call.outcome {
        ModelCallOutcome::Answered { .. } => event,
        ModelCallOutcome::Failed { code } => event.failed(*code),
    }
}
