//! `human_task`: asks a person and suspends until the answer is there (H-01 to H-06).
//!
//! The handler says what to ask and what an answer means. The question itself is kept, escalated and
//! answered through the runner's interaction manager, so that it outlives the process.

mod answer;
mod task;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llmteam_workflow::human::{Answer, DEFAULT_TIMEOUT, InteractionResponse};

use self::answer::Given;
use self::task::{OnTimeout, Task};
use super::{StepError, StepHandler, StepOutcome, StepOutput};
use crate::runtime::StepContext;

/// Runs `human_task` steps.
#[derive(Debug, Clone, Copy)]
pub struct HumanTaskHandler {
    default_timeout: Duration,
}

/// A handler for `human_task` steps that gives people 24 hours.
pub fn create_human_task_handler() -> HumanTaskHandler {
    HumanTaskHandler::default()
}

impl HumanTaskHandler {
    /// A handler that gives people this long unless a step says otherwise.
    pub fn new(default_timeout: Duration) -> Self {
        Self { default_timeout }
    }

    /// How long people have unless a step says otherwise.
    pub fn default_timeout(&self) -> Duration {
        self.default_timeout
    }
}

impl Default for HumanTaskHandler {
    fn default() -> Self {
        Self::new(DEFAULT_TIMEOUT)
    }
}

#[async_trait]
impl StepHandler for HumanTaskHandler {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let task = ctx.step().prepared(Task::read)?;
        let question = task.question(&ctx, self.default_timeout)?;
        let faults: Vec<String> = question.faults().iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            return Err(StepError::invalid_config(&ctx.step().step_type, &faults));
        }
        Ok(StepOutcome::Ask(Box::new(question)))
    }

    fn answered(
        &self,
        ctx: &StepContext,
        answer: &InteractionResponse,
    ) -> Result<StepOutput, StepError> {
        let task = ctx.step().prepared(Task::read)?;
        Given::from(answer).output(task.kind, &ctx.input().subject())
    }

    fn unanswered(&self, ctx: &StepContext) -> Result<StepOutput, StepError> {
        let task = ctx.step().prepared(Task::read)?;
        let hours = task.timeout.unwrap_or(self.default_timeout).as_secs_f64() / 3600.0;
        let message = format!("Human task timed out after {hours} hours");
        let refusal = Answer {
            approved: Some(false),
            reason: message.clone(),
            ..Answer::default()
        };
        let answer = match &task.on_timeout {
            OnTimeout::Fail => {
                return Err(StepError::new("TimeoutError", message)
                    .with_code("HUMAN_TIMEOUT")
                    .fatal());
            }
            OnTimeout::Reject => &refusal,
            OnTimeout::Answer(answer) => answer,
        };
        Given::from(answer).output(task.kind, &ctx.input().subject())
    }
}
