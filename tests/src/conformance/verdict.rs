//! Runs a case, with its variants, and passes judgement.

use super::case::{Case, CaseFile};
use super::compare::compare;
use super::engine::{Engine, Refusal};
use super::invariants::breaches;
use super::variants::variants;
use serde_json::Value;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, in every variant.
    Passed,
    /// It does not: the differences, as lines to read.
    Failed(Vec<String>),
    /// The engine does not cover it.
    NotCovered(String),
}

/// Runs a case and each of its variants.
#[must_use]
pub fn judge(engine: &dyn Engine, file: &CaseFile, case: &Case) -> Verdict {
    let mut failures = Vec::new();
    for variant in variants(file, case) {
        let differences = match engine.run(file, &variant.case) {
            Ok(seen) => {
                let segment = variant.case.segment.as_ref().unwrap_or(&Value::Null);
                let mut differences = compare(&variant.case, &seen, variant.order);
                differences.extend(breaches(segment, &seen));
                differences
            }
            Err(Refusal::NotCovered(what)) => return Verdict::NotCovered(what),
            Err(Refusal::Broken(why)) => vec![why],
        };
        let told = |line: String| match variant.name {
            "" => line,
            name => format!("({name}) {line}"),
        };
        failures.extend(differences.into_iter().map(told));
    }
    match failures.is_empty() {
        true => Verdict::Passed,
        false => Verdict::Failed(failures),
    }
}
