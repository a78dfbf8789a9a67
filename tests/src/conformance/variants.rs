//! The same case told differently: steps renamed, declarations permuted, the mode flipped.
//!
//! An engine that passes a case by accident of names or of order fails one of these.

use super::case::{Case, CaseFile};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How the events of a variant compare with those the case lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In the same order.
    Exact,
    /// The same events, as often, in whatever order.
    Any,
}

/// A case to run in place of another.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What was changed; empty for the case as it stands.
    pub name: &'static str,
    /// The changed case, its segment inside.
    pub case: Case,
    /// How its events compare.
    pub order: Order,
}

/// Every variant of a case, the case itself first.
#[must_use]
pub fn variants(file: &CaseFile, case: &Case) -> Vec<Variant> {
    let mut own = case.clone();
    own.segment = Some(file.segment_of(case).clone());
    let mut variants = vec![Variant {
        name: "",
        case: own.clone(),
        order: Order::Exact,
    }];
    if own.validate_only
        || own.expect.status.is_none()
        || !own.segment.as_ref().is_some_and(is_well_formed)
    {
        return variants;
    }
    variants.push(Variant {
        name: "renamed",
        case: renamed(&own),
        order: Order::Exact,
    });
    let mut permuted = own.clone();
    permute_edges(&mut permuted);
    variants.push(Variant {
        name: "edges permuted",
        case: permuted,
        order: Order::Exact,
    });
    if timing_does_not_matter(&own) {
        own.expect.duration_ms = None;
        let mut reversed = own.clone();
        reverse_steps(&mut reversed);
        variants.push(Variant {
            name: "steps reversed",
            case: reversed,
            order: Order::Any,
        });
        let mut flipped = own;
        flip_mode(&mut flipped);
        variants.push(Variant {
            name: "mode flipped",
            case: flipped,
            order: Order::Any,
        });
    }
    variants
}

fn is_well_formed(segment: &Value) -> bool {
    segment["steps"]
        .as_array()
        .is_some_and(|steps| steps.iter().all(|step| step["step_id"].is_string()))
}

/// The conditions of X-74.
fn timing_does_not_matter(case: &Case) -> bool {
    let segment = case.segment.as_ref().unwrap_or(&Value::Null);
    let no_steps = Vec::new();
    let steps = segment["steps"].as_array().unwrap_or(&no_steps);
    let race = |step: &Value| {
        matches!(
            step["config"]["merge_strategy"].as_str(),
            Some("any" | "first")
        )
    };
    let limited = |step: &Value| !step["config"]["timeout_seconds"].is_null();
    let escalates = |label: &String| label.starts_with("human.task_escalated");
    case.expect.status.as_deref() == Some("completed")
        && case.control.is_empty()
        && !case.run.contains_key("timeout_ms")
        && segment["params"]["timeout_seconds"].is_null()
        && !steps.iter().any(|step| race(step) || limited(step))
        && !case.expect.events.iter().flatten().any(escalates)
}

/// Other ids for the steps, in an alphabetical order that is not that of the old ones.
fn new_names(segment: &Value) -> BTreeMap<String, String> {
    let no_steps = Vec::new();
    let steps = segment["steps"].as_array().unwrap_or(&no_steps);
    let ids = steps.iter().filter_map(|step| step["step_id"].as_str());
    ids.enumerate()
        .map(|(n, id)| (id.to_owned(), format!("s{}_{n}", steps.len() - n)))
        .collect()
}

fn renamed(case: &Case) -> Case {
    let mut case = case.clone();
    let names = new_names(case.segment.as_ref().unwrap_or(&Value::Null));
    let name = |id: &str| names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let rename = |value: &mut Value| {
        if let Some(id) = value.as_str() {
            *value = json!(name(id));
        }
    };
    if let Some(segment) = &mut case.segment {
        rename_steps(segment, &rename);
    }
    case.script = case
        .script
        .into_iter()
        .map(|(step, actions)| (name(&step), actions))
        .collect();
    for control in &mut case.control {
        control.get_mut("step").into_iter().for_each(rename);
        if let Some(segment) = control.get_mut("segment") {
            rename_steps(segment, &rename);
        }
    }
    let expect = &mut case.expect;
    let label = |label: &String| match label.split_once(':') {
        Some((kind, step)) => format!("{kind}:{}", name(step)),
        None => label.clone(),
    };
    expect.events = expect
        .events
        .take()
        .map(|events| events.iter().map(label).collect());
    if let Some(step) = &mut expect.current_step {
        rename(step);
    }
    for check in expect.payloads.iter_mut().flatten() {
        check.event = label(&check.event);
        for key in ["from_step", "step_id"] {
            check.has.get_mut(key).into_iter().for_each(rename);
        }
    }
    for request in expect.requests.iter_mut().flatten() {
        request.get_mut("step_id").into_iter().for_each(rename);
    }
    expect.skipped = expect.skipped.take().map(|steps| keys(steps, &name));
    expect.activations = expect.activations.take().map(|steps| keys(steps, &name));
    expect.step_inputs = expect.step_inputs.take().map(|steps| keys(steps, &name));
    if let Some(step) = expect
        .error
        .as_mut()
        .and_then(|error| error.get_mut("step_id"))
    {
        rename(step);
    }
    if let Some(Value::Object(output)) = &expect.output
        && output.keys().all(|key| names.contains_key(key))
    {
        let renamed: Map<String, Value> = output
            .iter()
            .map(|(key, value)| (name(key), value.clone()))
            .collect();
        expect.output = Some(Value::Object(renamed));
    }
    case
}

fn rename_steps(segment: &mut Value, rename: &impl Fn(&mut Value)) {
    segment.get_mut("entrypoint").into_iter().for_each(rename);
    let ends = [
        "from",
        "from_step",
        "source_step",
        "to",
        "to_step",
        "target_step",
    ];
    for (list, keys) in [("steps", &["step_id"][..]), ("edges", &ends)] {
        let list = segment.get_mut(list).and_then(Value::as_array_mut);
        for entry in list.into_iter().flatten() {
            for key in keys {
                entry.get_mut(*key).into_iter().for_each(rename);
            }
        }
    }
}

fn keys<T>(map: BTreeMap<String, T>, name: &impl Fn(&str) -> String) -> BTreeMap<String, T> {
    map.into_iter()
        .map(|(key, value)| (name(&key), value))
        .collect()
}

/// Takes the last edge that may come next, again and again: edges with a common source or target
/// keep their order, since that order has meaning, the others do not.
fn permute_edges(case: &mut Case) {
    let Some(edges) = case
        .segment
        .as_mut()
        .and_then(|s| s.get_mut("edges"))
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    let end = |edge: &Value, keys: [&str; 3]| {
        keys.iter()
            .find_map(|key| edge[*key].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let ends = |edge: &Value| {
        (
            end(edge, ["from", "from_step", "source_step"]),
            end(edge, ["to", "to_step", "target_step"]),
        )
    };
    let mut left: Vec<Value> = std::mem::take(edges);
    while !left.is_empty() {
        let free = |n: &usize| {
            let (from, to) = ends(&left[*n]);
            left[..*n]
                .iter()
                .map(ends)
                .all(|(other_from, other_to)| from != other_from && to != other_to)
        };
        let next = (0..left.len()).rev().find(free).unwrap_or(0);
        edges.push(left.remove(next));
    }
}

fn reverse_steps(case: &mut Case) {
    let Some(segment) = &mut case.segment else {
        return;
    };
    if segment.get("entrypoint").is_none() {
        segment["entrypoint"] = segment["steps"][0]["step_id"].clone();
    }
    if let Some(steps) = segment["steps"].as_array_mut() {
        steps.reverse();
    }
}

fn flip_mode(case: &mut Case) {
    let Some(segment) = &mut case.segment else {
        return;
    };
    let flipped = segment["params"]["parallel_execution"] != true;
    segment["params"]["parallel_execution"] = json!(flipped);
}
