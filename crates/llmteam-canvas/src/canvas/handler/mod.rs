//! What runs one attempt of a step, and what it may answer.
//!
//! Invariant: a handler sees its own input, configuration and state, nothing of another step.
//! This module does not know when a step starts, nor what follows it: see `machine` and `runner`.

mod builtin;
mod condition;
mod config;
mod effect;
mod error;
mod http_action;
mod human_task;
mod llm_agent;
mod parallel_join;
mod parallel_split;
mod template;
#[cfg(test)]
mod testing;
mod transform;

use std::sync::Arc;

use async_trait::async_trait;
use llmteam_workflow::human::{InteractionResponse, NewInteraction};
use serde_json::{Map, Value};

pub use self::builtin::builtin;
pub use self::condition::ConditionHandler;
pub use self::effect::{EffectClass, effect_key};
pub use self::error::StepError;
pub use self::http_action::HTTPActionHandler;
pub use self::human_task::{HumanTaskHandler, create_human_task_handler};
pub use self::llm_agent::LLMAgentHandler;
pub use self::parallel_join::ParallelJoinHandler;
pub use self::parallel_split::ParallelSplitHandler;
pub use self::transform::TransformHandler;
use crate::runtime::{RuntimeContext, StepContext};

/// Runs steps of one type.
///
/// A handler is shared by all runs. It must stop at `ctx.cancelled()`; five seconds later its future
/// is dropped. Everything it knows of the step is in the context.
#[async_trait]
pub trait StepHandler: Send + Sync + 'static {
    /// Runs one attempt.
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError>;

    /// Turns the answer to this step's interaction into its output. Only for handlers that suspend.
    ///
    /// # Errors
    /// A handler that never suspends has no answer to give.
    fn answered(
        &self,
        ctx: &StepContext,
        answer: &InteractionResponse,
    ) -> Result<StepOutput, StepError> {
        let _ = answer;
        Err(StepError::new(
            "UnexpectedAnswer",
            format!("step `{}` asked nobody", ctx.step_id()),
        )
        .fatal())
    }

    /// What follows when the question of this step found no answer in time (H-05).
    ///
    /// # Errors
    /// The step fails, unless the handler knows better.
    fn unanswered(&self, ctx: &StepContext) -> Result<StepOutput, StepError> {
        let message = format!(
            "nobody answered the question of step `{}` in time",
            ctx.step_id()
        );
        Err(StepError::new("TimeoutError", message)
            .with_code("HUMAN_TIMEOUT")
            .fatal())
    }

    /// What repeating this step's call does. Custom types default to [`EffectClass::Repeatable`].
    fn effect_class(&self, config: &Map<String, Value>, runtime: &RuntimeContext) -> EffectClass {
        let _ = (config, runtime);
        EffectClass::Repeatable
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub enum StepOutcome {
    /// The step is done.
    Output(StepOutput),
    /// The step waits for a person; it holds no task until the answer is there.
    Ask(Box<NewInteraction>),
}

impl From<StepOutput> for StepOutcome {
    fn from(output: StepOutput) -> Self {
        Self::Output(output)
    }
}

impl From<Value> for StepOutcome {
    fn from(value: Value) -> Self {
        Self::Output(value.into())
    }
}

impl From<Arc<Value>> for StepOutcome {
    fn from(value: Arc<Value>) -> Self {
        Self::Output(StepOutput(value))
    }
}

/// A handler's result: any JSON value; an object with a port name among its keys is port-keyed.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutput(pub Arc<Value>);

impl StepOutput {
    /// An output with a value on one port.
    pub fn on_port(port: &str, value: Value) -> Self {
        Value::Object(Map::from_iter([(port.to_owned(), value)])).into()
    }
}

impl From<Value> for StepOutput {
    fn from(value: Value) -> Self {
        Self(Arc::new(value))
    }
}
