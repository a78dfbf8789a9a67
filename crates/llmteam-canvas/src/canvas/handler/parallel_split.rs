//! `parallel_split`: copies the subject to every branch.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{StepError, StepHandler, StepOutcome, config};
use crate::runtime::{StepContext, StepSpec};

/// Runs `parallel_split` steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct ParallelSplitHandler;

#[async_trait]
impl StepHandler for ParallelSplitHandler {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        ctx.step().prepared(prepare)?;
        let subject = ctx.input().subject();
        let output: Map<String, Value> = branches(ctx.step())
            .map(|port| (port.to_owned(), Value::clone(&subject)))
            .collect();
        Ok(Value::Object(output).into())
    }
}

fn prepare(step: &StepSpec) -> Result<(), StepError> {
    config::check("parallel_split", &step.config)
}

/// All ports but `error`, which speaks of failures only.
fn branches(step: &StepSpec) -> impl Iterator<Item = &str> {
    step.outputs
        .iter()
        .map(|port| &**port)
        .filter(|port| *port != "error")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::canvas::handler::testing::{output, refuses, step, whole};
    use crate::runtime::PortName;

    //
    #[tokio::test]
    async fn every_port_but_error_gets_the_subject() {
        let ports = ["branch_1", "branch_2", "audit", "error"].map(PortName::from);
        let spec = step("parallel_split", json!({}));
        let spec = StepSpec::new(spec.step_id, spec.step_type, spec.config, ports.to_vec());
        let split = output(ParallelSplitHandler, spec, whole(json!({ "a": 1 })))
            .await
            .unwrap();
        let subject = json!({ "a": 1 });
        assert_eq!(
            split,
            json!({ "branch_1": subject, "branch_2": subject, "audit": subject })
        );
    }

    #[tokio::test]
    async fn one_branch_is_not_enough() {
        let spec = step("parallel_split", json!({ "branches": 1 }));
        refuses(ParallelSplitHandler, spec, "branches").await;
    }
}
