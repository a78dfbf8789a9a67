//! The public runner as an engine: a case is run through `SegmentRunner` on a clock that the case moves.
//!
//! At one instant control actions and handlers come before timers, as the clock orders them; everything
//! else is the runner's own. Nothing here looks inside a run.

use super::case::{Case, CaseFile};
use super::engine::{Engine, Refusal};
use super::observed::Observed;
use super::stage::Stage;
use llmteam::canvas::catalog::StepCatalog;
use llmteam::canvas::validate::{SegmentValidator, ValidationSeverity};
use serde_json::{Value, json};

/// The runner of the workspace.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunnerEngine;

impl Engine for RunnerEngine {
    fn name(&self) -> &'static str {
        "runner"
    }

    fn run(&self, file: &CaseFile, case: &Case) -> Result<Observed, Refusal> {
        if case.validate_only {
            return Ok(validate(file, case));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .map_err(|error| Refusal::Broken(error.to_string()))?;
        runtime
            .block_on(async {
                let stage = Stage::of(file, case).await?;
                stage.play().await
            })
            .map_err(Refusal::Broken)
    }
}

/// What validation finds: errors and warnings.
fn validate(file: &CaseFile, case: &Case) -> Observed {
    let validator = SegmentValidator::new()
        .catalog(StepCatalog::with_builtins())
        .strict(case.strict);
    let result = match &case.text {
        Some(text) => validator.validate_json(text),
        None => validator.validate_json(file.segment_of(case).to_string()),
    };
    let grave = result
        .messages
        .iter()
        .filter(|it| it.severity != ValidationSeverity::Info);
    let told = grave.map(|it| {
        let mut told = json!({
            "severity": it.severity.to_string(),
            "code": it.code.to_string(),
        });
        if !it.path.is_empty() {
            told["path"] = Value::String(it.path.clone());
        }
        told
    });
    Observed {
        messages: Some(told.collect()),
        is_valid: Some(result.is_valid()),
        ..Observed::default()
    }
}
