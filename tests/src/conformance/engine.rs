//! The one thing a case needs from an engine, and the interpreter behind it.

use super::case::{Case, CaseFile};
use super::observed::Observed;
use crate::oracle::{self, Scenario};
use serde_json::{Map, Value, json};

/// Why an engine gave no observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The engine does not cover what the case needs.
    NotCovered(String),
    /// The engine broke.
    Broken(String),
}

/// Something that runs cases.
pub trait Engine {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Runs a case.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when there is nothing to compare.
    fn run(&self, file: &CaseFile, case: &Case) -> Result<Observed, Refusal>;
}

/// The naive interpreter as an engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OracleEngine;

impl Engine for OracleEngine {
    fn name(&self) -> &'static str {
        "interpreter"
    }

    fn run(&self, file: &CaseFile, case: &Case) -> Result<Observed, Refusal> {
        if case.validate_only {
            return Err(Refusal::NotCovered("validation".to_owned()));
        }
        let scenario = scenario(file, case);
        oracle::interpret(&scenario)
            .map(Observed::from)
            .map_err(|oracle::Unsupported(what)| Refusal::NotCovered(what))
    }
}

/// What the interpreter is asked for a case.
#[must_use]
pub fn scenario(file: &CaseFile, case: &Case) -> Scenario {
    Scenario {
        segment: file.segment_of(case).clone(),
        types: case_types(file, case),
        input: case.input.clone(),
        script: case.script.clone(),
        run: case.run.clone(),
        control: case.control.clone(),
        faults: case.faults.clone(),
    }
}

/// The types a case adds to the catalog: those the file describes, and, without ports, every
/// `custom_` type whose steps are all scripted.
#[must_use]
pub fn case_types(file: &CaseFile, case: &Case) -> Map<String, Value> {
    let mut types = file.types.clone();
    let none = Vec::new();
    for step in file.segment_of(case)["steps"].as_array().unwrap_or(&none) {
        let kind = step["type"].as_str().unwrap_or_default();
        let scripted = step["step_id"]
            .as_str()
            .is_some_and(|id| case.script.contains_key(id));
        if kind.starts_with("custom_") && scripted && !types.contains_key(kind) {
            types.insert(kind.to_owned(), json!({}));
        }
    }
    types
}
