//! `condition`: passes the subject on through `true` or `false`.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{StepError, StepHandler, StepOutcome, StepOutput, config};
use crate::canvas::expression::{StepCondition, StepNames};
use crate::runtime::{StepContext, StepSpec};

/// Runs `condition` steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConditionHandler;

#[async_trait]
impl StepHandler for ConditionHandler {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let condition = ctx.step().prepared(prepare)?;
        let subject = ctx.input().subject();
        let names = StepNames {
            subject: &subject,
            input: &ctx.input().object(),
            run: ctx.runtime().run_value(),
        };
        // An error is never taken as false.
        let holds = condition.evaluate(&names).map_err(invalid)?;
        let port = if holds { "true" } else { "false" };
        Ok(StepOutput::on_port(port, Value::clone(&subject)).into())
    }
}

fn prepare(step: &StepSpec) -> Result<StepCondition, StepError> {
    config::check("condition", &step.config)?;
    let expression = config::text(&step.config, "expression").unwrap_or_default();
    StepCondition::compile(expression).map_err(invalid)
}

fn invalid(error: impl std::fmt::Display) -> StepError {
    StepError::new("InvalidConditionError", error.to_string())
        .with_code("INVALID_CONDITION")
        .fatal()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::canvas::handler::testing::{output, ports, refuses, step, whole};

    async fn decide(expression: &str, input: Value) -> Result<Value, StepError> {
        let spec = step("condition", json!({ "expression": expression }));
        output(ConditionHandler, spec, whole(input)).await
    }

    //
    #[tokio::test]
    async fn only_the_port_that_holds_gets_the_subject() {
        let subject = json!({ "score": 0.9 });
        assert_eq!(
            decide("score > 0.5", subject.clone()).await.unwrap(),
            json!({ "true": subject })
        );
        assert_eq!(
            decide("score > 1", subject.clone()).await.unwrap(),
            json!({ "false": subject })
        );
        assert_eq!(
            decide("false", json!(null)).await.unwrap(),
            json!({ "false": null })
        );
    }

    //
    #[tokio::test]
    async fn subject_input_and_run_can_be_named() {
        let spec = || {
            step(
                "condition",
                json!({ "expression": "value == 2 && input.n == 2 && run.run_id == 'r'" }),
            )
        };
        let input = ports([("n", json!(2))]).with_subject(Arc::new(json!(2)));
        assert_eq!(
            output(ConditionHandler, spec(), input).await.unwrap(),
            json!({ "true": 2 })
        );
    }

    //
    #[tokio::test]
    async fn an_error_is_never_taken_as_false() {
        for (expression, input) in [
            ("missing", json!({})),
            ("score > 'a'", json!({ "score": 1 })),
            ("1 +", json!({})),
        ] {
            let error = decide(expression, input).await.unwrap_err();
            let code = error.error_code.as_deref();
            assert_eq!(
                (error.error_type.as_str(), code),
                ("InvalidConditionError", Some("INVALID_CONDITION"))
            );
            assert!(
                !error.recoverable && error.error_message.contains(expression),
                "{error}"
            );
        }
        refuses(ConditionHandler, step("condition", json!({})), "expression").await;
    }
}
