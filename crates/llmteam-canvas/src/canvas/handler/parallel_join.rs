//! `parallel_join`: collects what its branches brought.
//!
//! When a join starts, and which slots have a value, is decided before it runs.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{StepError, StepHandler, StepOutcome, StepOutput, config};
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
        Ok(StepOutput::on_port(ctx.step().primary_output(), result).into())
    }
}

fn prepare(step: &StepSpec) -> Result<FirstOnly, StepError> {
    config::check("parallel_join", &step.config)?;
    Ok(FirstOnly(
        config::text(&step.config, "merge_strategy") == Some("first"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::canvas::handler::testing::{output, refuses, step, whole};

    async fn joined(config: Value, values: &[Value]) -> Value {
        let slots = values.iter().cloned().map(Arc::new).collect();
        let input = whole(json!({ "not": "looked at" })).with_slots(slots);
        output(ParallelJoinHandler, step("parallel_join", config), input)
            .await
            .unwrap()
    }

    //
    #[tokio::test]
    async fn all_and_any_give_the_values_in_slot_order() {
        let values = [json!({ "output": 1 }), json!(null), json!([2])];
        let expected = json!({ "output": [{ "output": 1 }, null, [2]] });
        assert_eq!(joined(json!({}), &values).await, expected);
        assert_eq!(
            joined(json!({ "merge_strategy": "all" }), &values).await,
            expected
        );
        let any = joined(json!({ "merge_strategy": "any" }), &values[..1]).await;
        assert_eq!(any, json!({ "output": [{ "output": 1 }] }));
    }

    //
    #[tokio::test]
    async fn first_gives_the_lowest_value_even_one_that_looks_port_keyed() {
        let values = [json!({ "output": 1 }), json!(2)];
        let first = joined(json!({ "merge_strategy": "first" }), &values).await;
        assert_eq!(first, json!({ "output": { "output": 1 } }));
    }

    //
    #[tokio::test]
    async fn the_result_goes_to_the_renamed_primary_port() {
        let spec = step("parallel_join", json!({}));
        let ports = vec!["merged".into()];
        let spec = StepSpec::new(spec.step_id, spec.step_type, spec.config, ports);
        let input = whole(json!({})).with_slots(vec![Arc::new(json!(1))]);
        let result = output(ParallelJoinHandler, spec, input).await.unwrap();
        assert_eq!(result, json!({ "merged": [1] }));
    }

    #[tokio::test]
    async fn an_unknown_strategy_is_refused() {
        let spec = step("parallel_join", json!({ "merge_strategy": "last" }));
        refuses(ParallelJoinHandler, spec, "merge_strategy").await;
    }
}
