//! `transform`: reshapes data by a mapping or an expression (T-01 to T-05).

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{StepError, StepHandler, StepOutcome, StepOutput, config};
use crate::canvas::expression::{ExpressionError, StepNames, Transform};
use crate::runtime::{StepContext, StepSpec};

/// Runs `transform` steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransformHandler;

/// What a configuration asks for; a mapping beats an expression.
struct Prepared {
    rule: Rule,
    /// What a missing value is replaced by; null without one.
    default: Option<Value>,
}

enum Rule {
    /// Fields, each an expression or a literal (T-01).
    Mapping(Vec<(String, Field)>),
    Expression(Transform),
    /// Neither: the subject passes through.
    Pass,
}

enum Field {
    Expression(Transform),
    Literal(Value),
}

#[async_trait]
impl StepHandler for TransformHandler {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let prepared = ctx.step().prepared(prepare)?;
        let subject = ctx.input().subject();
        let result = if let Rule::Pass = prepared.rule {
            Value::clone(&subject)
        } else {
            let names = StepNames {
                subject: &subject,
                input: &ctx.input().object(),
                run: ctx.runtime().run_value(),
            };
            prepared
                .apply(&names)
                .map_err(|error| expression_error(&error))?
        };
        Ok(StepOutput::on_port(ctx.step().primary_output(), result).into())
    }
}

impl Prepared {
    fn apply(&self, names: &StepNames<'_>) -> Result<Value, ExpressionError> {
        let default = self.default.as_ref();
        match &self.rule {
            Rule::Pass => Ok(names.subject.clone()),
            Rule::Expression(expression) => expression.evaluate(names, default),
            Rule::Mapping(fields) => fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), field.value(names, default)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }
}

impl Field {
    fn value(
        &self,
        names: &StepNames<'_>,
        default: Option<&Value>,
    ) -> Result<Value, ExpressionError> {
        match self {
            Self::Expression(expression) => expression.evaluate(names, default),
            Self::Literal(value) => Ok(value.clone()),
        }
    }
}

fn prepare(step: &StepSpec) -> Result<Prepared, StepError> {
    config::check("transform", &step.config)?;
    let compile = |text: &str| Transform::compile(text).map_err(|error| expression_error(&error));
    let rule = if let Some(Value::Object(mapping)) = step.config.get("mapping") {
        let field = |(name, value): (&String, &Value)| {
            let field = match value {
                Value::String(text) => Field::Expression(compile(text)?),
                literal => Field::Literal(literal.clone()),
            };
            Ok((name.clone(), field))
        };
        Rule::Mapping(
            mapping
                .iter()
                .map(field)
                .collect::<Result<_, StepError>>()?,
        )
    } else if let Some(text) = config::text(&step.config, "expression") {
        Rule::Expression(compile(text)?)
    } else {
        Rule::Pass
    };
    Ok(Prepared {
        rule,
        default: step.config.get("default").cloned(),
    })
}

fn expression_error(error: &ExpressionError) -> StepError {
    StepError::new("ExpressionError", error.to_string())
        .with_code("EXPRESSION")
        .fatal()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::canvas::handler::testing::{output, ports, refuses, step, whole};

    async fn transform(config: Value, input: Value) -> Result<Value, StepError> {
        output(TransformHandler, step("transform", config), whole(input)).await
    }

    // covers: T-01
    #[tokio::test]
    async fn a_mapping_beats_an_expression_and_holds_literals() {
        let config = json!({
            "expression": "never",
            "mapping": { "sum": "a + b", "path": "list[1].x", "whole": "input", "n": 3, "t": null, "o": { "a": "a" } },
        });
        let input = json!({ "a": 1, "b": 2, "list": [0, { "x": "y" }] });
        let expected =
            json!({ "sum": 3, "path": "y", "whole": input, "n": 3, "t": null, "o": { "a": "a" } });
        assert_eq!(
            transform(config, input).await.unwrap(),
            json!({ "output": expected })
        );
    }

    // covers: T-01, X-21
    #[tokio::test]
    async fn without_a_rule_the_subject_passes_and_never_chooses_ports() {
        let subject = json!({ "output": 1, "other": 2 });
        assert_eq!(
            transform(json!({}), subject.clone()).await.unwrap(),
            json!({ "output": subject })
        );
        let renamed = StepSpec::new(
            "work".parse().unwrap(),
            "transform".to_owned(),
            Map::new(),
            vec!["result".into(), "extra".into()],
        );
        let input = ports([("x", json!(1))]).with_subject(Arc::new(json!({ "extra": 1 })));
        let result = output(TransformHandler, renamed, input).await.unwrap();
        assert_eq!(result, json!({ "result": { "extra": 1 } }));
    }

    // covers: T-03, T-05
    #[tokio::test]
    async fn what_is_missing_is_the_default_or_null() {
        let input = json!({ "a": {} });
        for (config, expected) in [
            (json!({ "expression": "a.b" }), json!(null)),
            (json!({ "expression": "a.b", "default": [] }), json!([])),
            (
                json!({ "mapping": { "x": "a.b" }, "default": 0 }),
                json!({ "x": 0 }),
            ),
            (json!({ "expression": "$.a.b", "default": 7 }), json!(7)),
            (json!({ "expression": "$..b", "default": 7 }), json!([])),
        ] {
            let result = transform(config.clone(), input.clone()).await.unwrap();
            assert_eq!(result, json!({ "output": expected }), "{config}");
        }
    }

    // covers: T-04
    #[tokio::test]
    async fn an_expression_that_fails_fails_the_step() {
        for config in [
            json!({ "expression": "a + " }),
            json!({ "expression": "a + 'x'" }),
            json!({ "mapping": { "x": "a / 0" } }),
        ] {
            let error = transform(config.clone(), json!({ "a": 1 }))
                .await
                .unwrap_err();
            let code = error.error_code.as_deref();
            assert_eq!(
                (error.error_type.as_str(), code),
                ("ExpressionError", Some("EXPRESSION")),
                "{config}"
            );
            assert!(!error.recoverable);
        }
        refuses(
            TransformHandler,
            step("transform", json!({ "mapping": [] })),
            "mapping",
        )
        .await;
    }
}
