//! Compares what was seen with what a case expects, and says the difference in words.

use super::case::Case;
use super::observed::Observed;
use super::variants::Order;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Every difference, as lines to read; none when the case holds.
#[must_use]
pub fn compare(case: &Case, seen: &Observed, order: Order) -> Vec<String> {
    let expect = &case.expect;
    let mut differences = Vec::new();
    let mut differ = |text: String| differences.push(text);
    if let Some(status) = expect
        .status
        .as_ref()
        .filter(|status| **status != seen.status)
    {
        differ(format!(
            "status: expected `{status}`, got `{}`{}",
            seen.status,
            cause(seen)
        ));
    }
    if let Some(output) = expect
        .output
        .as_ref()
        .filter(|output| **output != seen.output)
    {
        differ(format!("output: expected {output}, got {}", seen.output));
    }
    if let Some(error) = &expect.error {
        let found = |key: &str| match key {
            "error_type" => seen.error_type.clone().map_or(Value::Null, Value::String),
            "step_id" => seen.current_step.clone().map_or(Value::Null, Value::String),
            _ => Value::Null,
        };
        for (key, value) in error.iter().filter(|(key, value)| found(key) != **value) {
            differ(format!("error.{key}: expected {value}, got {}", found(key)));
        }
    }
    let same = |expected: &[String]| match order {
        Order::Exact => expected == seen.labels(),
        Order::Any => tally(expected) == tally(&seen.labels()),
    };
    if let Some(events) = expect.events.as_ref().filter(|events| !same(events)) {
        differ(format!(
            "events (expected | got):\n{}",
            side_by_side(events, &seen.labels())
        ));
    }
    if let Some(skipped) = expect
        .skipped
        .as_ref()
        .filter(|skipped| **skipped != seen.skipped())
    {
        differ(unequal("skipped", skipped, &seen.skipped()));
    }
    let inputs = seen.step_inputs();
    for (step, expected) in expect.activations.iter().flatten() {
        let count = inputs.get(step).map_or(0, Vec::len) as u64;
        if count != *expected {
            differ(format!(
                "activations of `{step}`: expected {expected}, got {count}"
            ));
        }
    }
    for (step, expected) in expect.step_inputs.iter().flatten() {
        let found = inputs.get(step).cloned().unwrap_or_default();
        if found != *expected {
            differ(unequal(&format!("inputs of `{step}`"), expected, &found));
        }
    }
    if let Some(count) = expect
        .steps_completed
        .filter(|count| *count != seen.steps_completed)
    {
        differ(format!(
            "steps_completed: expected {count}, got {}",
            seen.steps_completed
        ));
    }
    for (at, expected, found) in seen
        .statuses
        .iter()
        .filter(|(_, expected, found)| expected != found)
    {
        differ(format!(
            "status at {at} ms: expected `{expected}`, got `{found}`"
        ));
    }
    differences
}

fn cause(seen: &Observed) -> String {
    match (&seen.error_type, &seen.current_step) {
        (Some(kind), Some(step)) => format!(" ({kind} at `{step}`)"),
        (Some(kind), None) => format!(" ({kind})"),
        _ => String::new(),
    }
}

fn unequal<T: Debug>(what: &str, expected: &T, found: &T) -> String {
    format!("{what}: expected {expected:?}, got {found:?}")
}

/// Two sequences in columns, the first line that differs marked.
fn side_by_side(expected: &[String], found: &[String]) -> String {
    let width = expected.iter().map(String::len).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut apart = false;
    for n in 0..expected.len().max(found.len()) {
        let left = expected.get(n).map_or("", String::as_str);
        let right = found.get(n).map_or("", String::as_str);
        let mark = if !apart && left != right { ">" } else { " " };
        apart |= left != right;
        lines.push(format!("    {mark} {left:width$} | {right}"));
    }
    lines.join("\n")
}

/// How often each label occurs.
fn tally(labels: &[String]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for label in labels {
        *tally.entry(label.as_str()).or_default() += 1;
    }
    tally
}
