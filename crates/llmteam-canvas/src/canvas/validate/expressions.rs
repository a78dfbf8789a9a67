//! Conditions and expressions: can they be read at all.

use std::collections::HashMap;

use serde_json::Value;

use super::code::ValidationCode;
use super::path::{Path, Quoted};
use super::report::Report;
use crate::canvas::definition::{SegmentDefinition, StepDefinition};
use crate::canvas::expression::{Condition, StepCondition, Transform};

/// Checks the conditions of edges and of `condition` steps: what a run is refused for.
pub(super) fn check_conditions(segment: &SegmentDefinition, report: &mut Report) {
    let edges = Path::Root.key("edges");
    let mut read = Memory::new(|text| Condition::compile(text).map(drop).map_err(|it| it.reason));
    for (at, edge) in segment.edges.iter().enumerate() {
        if let Some(condition) = &edge.condition {
            read.check(condition, edges.index(at).key("condition"), report);
        }
    }
    let mut read = Memory::new(|text| {
        StepCondition::compile(text)
            .map(drop)
            .map_err(|it| it.reason)
    });
    each_config(segment, "condition", |step, config| {
        if let Some(Value::String(text)) = step.config.get("expression") {
            read.check(text, config.key("expression"), report);
        }
    });
}

/// Checks the expressions of `transform` steps: a run fails at such a step.
pub(super) fn check_transforms(segment: &SegmentDefinition, report: &mut Report) {
    let mut read = Memory::new(|text| Transform::compile(text).map(drop).map_err(|it| it.reason));
    each_config(segment, "transform", |step, config| {
        let mapping = config.key("mapping");
        match (step.config.get("mapping"), step.config.get("expression")) {
            (Some(Value::Object(fields)), _) => {
                for (name, value) in fields {
                    if let Value::String(text) = value {
                        read.check(text, mapping.key(name), report);
                    }
                }
            }
            (_, Some(Value::String(text))) => read.check(text, config.key("expression"), report),
            _ => {}
        }
    });
}

fn each_config<'a>(
    segment: &'a SegmentDefinition,
    step_type: &str,
    mut check: impl FnMut(&'a StepDefinition, Path<'_>),
) {
    let steps = Path::Root.key("steps");
    for (at, step) in segment.steps.iter().enumerate() {
        if step.step_type == step_type {
            check(step, steps.index(at).key("config"));
        }
    }
}

/// Reads each text once, however often a segment repeats it.
struct Memory<'a, F> {
    read: F,
    faults: HashMap<&'a str, Option<String>>,
}

impl<'a, F: Fn(&str) -> Result<(), String>> Memory<'a, F> {
    fn new(read: F) -> Self {
        Self {
            read,
            faults: HashMap::new(),
        }
    }

    fn check(&mut self, text: &'a str, path: Path<'_>, report: &mut Report) {
        let fault = self
            .faults
            .entry(text)
            .or_insert_with(|| (self.read)(text).err());
        if let Some(fault) = fault {
            let message = format_args!("{} cannot be read: {fault}", Quoted(text));
            report.add(ValidationCode::InvalidCondition, path, message);
        }
    }
}
