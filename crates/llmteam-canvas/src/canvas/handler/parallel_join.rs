//! `parallel_join`: collects what its branches brought.
//!
//! When a join starts, and which slots have a value, is decided before it runs.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{StepError, StepHandler, StepOutcome, config};
use crate::runtime::{StepContext, StepSpec};

/// Runs `parallel_join` steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct ParallelJoinHandler;

/// Whether the first value alone is the result.
struct FirstOnly(bool);

#[async_trait]
impl StepHandler for ParallelJoinHandler {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let FirstOnly(first_only) = *ctx.step().prepared(prepare)?;
        let mut values = ctx.input().slots().iter().map(|value| Value::clone(value));
        let result = if first_only {
            values.next().unwrap_or_default()
        } else {
            values.collect()
        };
        Ok(json!({ ctx.step().primary_output(): result }).into())
    }
}

fn prepare(step: &StepSpec) -> Result<FirstOnly, StepError> {
    config::check("parallel_join", &step.config)?;
    Ok(FirstOnly(
        config::text(&step.config, "merge_strategy") == Some("first"),
    ))
}
