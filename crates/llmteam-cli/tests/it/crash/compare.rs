//! What a run left behind, without what two runs may differ in: times, and what a handler that ran again
//! says again of its calls (E-06).

use std::collections::BTreeMap;

use llmteam::persistence::JournalEntry;
use serde_json::{Value, json};

use super::server::Activation;
use crate::program::{Called, Place};

/// Members that tell the time, or a duration.
const TIMES: [&str; 7] = [
    "time",
    "timestamp",
    "active_us",
    "duration_ms",
    "started_at",
    "completed_at",
    "updated_at",
];

/// The journal, entry by entry, as if no handler had run twice.
pub(super) fn journal(entries: &[JournalEntry]) -> Vec<Value> {
    let mut told = Vec::new();
    for (index, entry) in (0..).zip(entries) {
        assert_eq!(entry.index, index);
        let mut body: Value = serde_json::from_slice(&entry.body).unwrap();
        // It counts repeated events; `numbering` looks at it.
        body.as_object_mut().unwrap().remove("first_event");
        let said = body["event"]["event_type"].as_str().unwrap_or_default();
        forget_earlier(&mut told, said, |it: &Value| {
            it["body"]["event"]["event_type"].as_str()
        });
        let index = told.len();
        told.push(json!({"index": index, "kind": entry.kind, "step": entry.step, "body": body}));
    }
    without_times(told)
}

/// The events that a call printed, as if no handler had run twice.
pub(super) fn events(called: &Called) -> Vec<Value> {
    let mut told: Vec<Value> = Vec::new();
    for event in printed(called).0 {
        let said = event["event_type"].as_str().unwrap().to_owned();
        forget_earlier(&mut told, &said, |it| it["event_type"].as_str());
        told.push(event);
    }
    let mut numbers = BTreeMap::new();
    for (number, event) in (1..).zip(&mut told) {
        let id = event["event_id"].take().as_str().unwrap().to_owned();
        event["event_id"] = json!(number);
        numbers.insert(id, number);
        if let Some(parent) = event["parent_event_id"].as_str() {
            event["parent_event_id"] = json!(numbers[parent]);
        }
    }
    without_times(told)
}

/// The result that a call printed.
pub(super) fn result(called: &Called) -> Value {
    without_times([printed(called).1].into()).remove(0)
}

/// What the audit log says of the run, in the order of the words: what is put aside may be overtaken. The log is whole.
pub(super) fn audited(place: &Place) -> Vec<String> {
    let report = place.call(&["audit", "verify"]).exits(0).json();
    assert_eq!(report["verdict"], "ok", "{report}");
    let records = place
        .call(&["audit", "show", "--run", "r1"])
        .exits(0)
        .json();
    let said = |it: &Value| {
        format!(
            "{} {} {}",
            it["event_type"], it["step_name"], it["actor_id"]
        )
    };
    let mut said: Vec<String> = records.as_array().unwrap().iter().map(said).collect();
    said.sort();
    said
}

/// The result as the database keeps it.
pub(super) fn stored_result(place: &Place) -> Value {
    let mut shown = place.call(&["runs", "show", "r1"]).exits(0).json();
    without_times([shown["result"].take()].into()).remove(0)
}

/// Checks that events are numbered from 1 without a gap, and that each record knows the number of its first.
pub(super) fn numbering(entries: &[JournalEntry], called: &Called) {
    let (events, _) = printed(called);
    for (number, event) in (1..).zip(&events) {
        assert_eq!(event["event_id"], format!("r1:{number}"));
    }
    let mut next = 1;
    for entry in entries {
        let body: Value = serde_json::from_slice(&entry.body).unwrap();
        let first = body["first_event"].as_u64().unwrap();
        assert!(first >= next, "{body}");
        let said = &body["event"]["event_type"];
        if said.is_string() {
            let event = &events[usize::try_from(first).unwrap() - 1];
            assert_eq!(event["event_type"], *said);
        }
        next = first + 1;
    }
}

/// The step activation that was at work, or about to begin, where this much of the undisturbed journal is there.
pub(super) fn at_work(calm: &[Value], position: usize) -> Activation {
    let next = calm[position..].iter().find(|it| it["kind"] != "event");
    let step = &next.unwrap()["step"];
    let before = calm[..position].iter();
    let ended = before.filter(|it| it["kind"] == "step_result" && it["step"] == *step);
    (step.as_str().unwrap().to_owned(), ended.count() + 1)
}

/// How much of it was there when the handler that is now at work began, or will begin again.
pub(super) fn handler_began(calm: &[Value], position: usize) -> usize {
    let last = calm[..position]
        .iter()
        .rposition(|it| it["kind"] != "event");
    last.unwrap() + 1
}

fn printed(called: &Called) -> (Vec<Value>, Value) {
    let lines = called.out.lines();
    let mut lines: Vec<Value> = lines.map(|it| serde_json::from_str(it).unwrap()).collect();
    let result = lines.pop().unwrap();
    (lines, result)
}

fn is_of_handler(said: &str) -> bool {
    said.starts_with("call.") || said.starts_with("action.")
}

/// A handler that says it begins its (only) call: what it said of it before was of an attempt that was killed.
fn forget_earlier(told: &mut Vec<Value>, said: &str, type_of: impl Fn(&Value) -> Option<&str>) {
    if is_of_handler(said) && said.ends_with(".started") {
        while told.last().and_then(&type_of).is_some_and(is_of_handler) {
            told.pop();
        }
    }
}

/// Removes times, and names requests by their order: their ids are made of times.
fn without_times(mut values: Vec<Value>) -> Vec<Value> {
    let mut requests = Vec::new();
    for value in &mut values {
        strip(value, &mut requests);
    }
    values
}

fn strip(value: &mut Value, requests: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !TIMES.contains(&name.as_str()));
            members.values_mut().for_each(|it| strip(it, requests));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| strip(it, requests)),
        Value::String(text) if text.starts_with("req_") => {
            let known = requests.iter().position(|it| it == text);
            let number = known.unwrap_or_else(|| {
                requests.push(text.clone());
                requests.len() - 1
            });
            *text = format!("request {number}");
        }
        _ => {}
    }
}
