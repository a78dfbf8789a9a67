//! Compares what was seen with what a case expects, and says the difference in words.

use super::case::{Case, Expectation};
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
    let labels = seen.labels();
    let same = |expected: &[String]| match order {
        Order::Exact => expected == labels,
        Order::Any => tally(expected) == tally(&labels),
    };
    if let Some(events) = expect.events.as_ref().filter(|events| !same(events)) {
        differ(format!(
            "events (expected | got):\n{}",
            side_by_side(events, &labels)
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
    for check in seen
        .checks
        .iter()
        .filter(|check| check.expected != check.found)
    {
        differ(format!(
            "{}: expected `{}`, got `{}`",
            check.what, check.expected, check.found
        ));
    }
    counts(expect, seen, &mut differences);
    error(expect, seen, &mut differences);
    surroundings(expect, seen, &mut differences);
    validation(expect, seen, &mut differences);
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

fn counts(expect: &Expectation, seen: &Observed, differences: &mut Vec<String>) {
    let counts = [
        (
            "steps_completed",
            expect.steps_completed,
            Some(seen.steps_completed),
        ),
        ("steps_failed", expect.steps_failed, Some(seen.steps_failed)),
        (
            "steps_skipped",
            expect.steps_skipped,
            Some(seen.steps_skipped),
        ),
        ("steps_total", expect.steps_total, seen.steps_total),
        ("duration_ms", expect.duration_ms, Some(seen.duration_ms)),
    ];
    for (name, expected, found) in counts {
        if let (Some(expected), Some(found)) = (expected, found)
            && expected != found
        {
            differences.push(format!("{name}: expected {expected}, got {found}"));
        }
    }
}

/// The error and `current_step`. What an engine does not tell is not compared.
fn error(expect: &Expectation, seen: &Observed, differences: &mut Vec<String>) {
    let current = seen.current_step.clone().map_or(Value::Null, Value::String);
    if let Some(expected) = expect
        .current_step
        .as_ref()
        .filter(|expected| **expected != current)
    {
        differences.push(format!("current_step: expected {expected}, got {current}"));
    }
    let in_full = |key: &str| seen.error.as_ref().map(|error| error[key].clone());
    for (key, expected) in expect.error.iter().flatten() {
        let found = match key.as_str() {
            "error_type" => Some(seen.error_type.clone().map_or(Value::Null, Value::String)),
            "step_id" => Some(current.clone()),
            "message_contains" => in_full("error_message").filter(|message| {
                let (message, part) = (message.as_str(), expected.as_str());
                !message
                    .unwrap_or_default()
                    .contains(part.unwrap_or_default())
            }),
            key => in_full(key),
        };
        if let Some(found) = found.filter(|found| found != expected) {
            differences.push(format!("error.{key}: expected {expected}, got {found}"));
        }
    }
}

/// Payloads, and what surrounds a run: people, models, HTTP clients, stores.
fn surroundings(expect: &Expectation, seen: &Observed, differences: &mut Vec<String>) {
    for check in expect.payloads.iter().flatten() {
        let mut events = seen
            .events
            .iter()
            .filter(|event| event.label() == check.event);
        match events.nth(check.n.saturating_sub(1)) {
            Some(event) => lacks(&check.event, &check.has, &event.payload, differences),
            None => differences.push(format!("there is no event {} of {}", check.n, check.event)),
        }
    }
    if let (Some(expected), Some(found)) = (&expect.requests, &seen.requests) {
        lists("requests", expected, found, differences);
    }
    let calls = [
        ("llm_calls", &expect.llm_calls, &seen.llm_calls),
        ("http_calls", &expect.http_calls, &seen.http_calls),
    ];
    for (what, expected, found) in calls {
        let Some(found) = found else { continue };
        for (name, expected) in expected.iter().flatten() {
            let found = found.get(name).map_or(&[][..], Vec::as_slice);
            lists(&format!("{what}.{name}"), expected, found, differences);
        }
    }
    if let Some(found) = &seen.stores {
        for (name, expected) in expect.stores.iter().flatten() {
            let found = found.get(name).unwrap_or(&Value::Null);
            if found != expected {
                differences.push(format!("store {name}: expected {expected}, got {found}"));
            }
        }
    }
}

/// What validation says: every error and warning, in any order.
fn validation(expect: &Expectation, seen: &Observed, differences: &mut Vec<String>) {
    if let (Some(expected), Some(found)) = (expect.is_valid, seen.is_valid)
        && expected != found
    {
        differences.push(format!("is_valid: expected {expected}, got {found}"));
    }
    if let (Some(expected), Some(found)) = (&expect.messages_unordered, &seen.messages) {
        let expected = expected.iter().cloned().map(Value::Object);
        let sorted = |mut lines: Vec<String>| {
            lines.sort_unstable();
            lines
        };
        let expected = sorted(expected.map(|it| it.to_string()).collect());
        let found = sorted(found.iter().map(Value::to_string).collect());
        if expected != found {
            differences.push(unequal("messages", &expected, &found));
        }
    }
}

/// Lists of equal length whose entries have what is expected of them.
fn lists(what: &str, expected: &[Value], found: &[Value], differences: &mut Vec<String>) {
    if expected.len() != found.len() {
        let (expected, count) = (expected.len(), found.len());
        differences.push(format!(
            "{what}: expected {expected}, got {count}: {found:?}"
        ));
    }
    for (n, (expected, found)) in expected.iter().zip(found).enumerate() {
        lacks(&format!("{what}[{n}]"), expected, found, differences);
    }
}

/// Every key of an expected object must be there with its value.
fn lacks(what: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    match expected {
        Value::Object(fields) => {
            for (key, expected) in fields {
                let found = found.get(key).unwrap_or(&Value::Null);
                lacks(&format!("{what}.{key}"), expected, found, differences);
            }
        }
        expected if expected != found => {
            differences.push(format!("{what}: expected {expected}, got {found}"));
        }
        _ => {}
    }
}
