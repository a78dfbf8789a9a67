//! What holds in every run, whatever the case.

use super::observed::{Observed, Seen};
use serde_json::Value;
use std::collections::BTreeMap;

const TERMINAL: [&str; 3] = ["segment.completed", "segment.failed", "segment.cancelled"];

/// Every breach of the rules that hold in all runs, as lines to read.
#[must_use]
pub fn breaches(segment: &Value, seen: &Observed) -> Vec<String> {
    let mut breaches = Vec::new();
    if seen.events.is_empty() {
        return breaches;
    }
    order(seen, &mut breaches);
    steps(segment, seen, &mut breaches);
    numbering(seen, &mut breaches);
    breaches
}

/// how a run begins and ends.
fn order(seen: &Observed, breaches: &mut Vec<String>) {
    let first = &seen.events[0].kind;
    if first != "segment.started"
        || seen
            .events
            .iter()
            .filter(|event| event.kind == *first)
            .count()
            != 1
    {
        breaches.push("X-91: segment.started is not the first event, once".to_owned());
    }
    let is_terminal = |event: &Seen| TERMINAL.contains(&event.kind.as_str());
    let terminals = seen
        .events
        .iter()
        .filter(|event| is_terminal(event))
        .count();
    let last_is_terminal = seen.events.last().is_some_and(is_terminal);
    let ended = !matches!(
        seen.status.as_str(),
        "paused" | "waiting" | "running" | "quarantined"
    );
    if ended && !(terminals == 1 && last_is_terminal) || !ended && terminals > 0 {
        breaches.push(format!(
            "X-91: {terminals} terminal events with status `{}`",
            seen.status
        ));
    }
}

/// and the steps' part of X-91.
fn steps(segment: &Value, seen: &Observed, breaches: &mut Vec<String>) {
    let mut open: BTreeMap<&str, bool> = BTreeMap::new();
    let mut unstarted_skips: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &seen.events {
        let Some(step) = event.step.as_deref() else {
            continue;
        };
        let is_open = open.get(step) == Some(&true);
        match event.kind.as_str() {
            "step.started" if is_open => {
                breaches.push(format!("X-65: `{step}` starts while it is open"));
            }
            "step.started" => drop(open.insert(step, true)),
            "step.skipped" if !is_open => {
                *unstarted_skips.entry(step).or_default() += 1;
                if open.contains_key(step) {
                    breaches.push(format!("X-14: `{step}` ran and is reported skipped"));
                }
            }
            "step.skipped" if event.payload["reason"] != "join_satisfied" => {
                breaches.push(format!(
                    "X-14: the started `{step}` is skipped: {}",
                    event.payload["reason"]
                ));
            }
            "data.consumed" | "data.produced" => {}
            kind if !is_open => breaches.push(format!("X-91: {kind}:{step} outside an activation")),
            "step.completed" | "step.failed" | "step.skipped" => drop(open.insert(step, false)),
            _ => {}
        }
    }
    let paused = matches!(seen.status.as_str(), "paused" | "waiting");
    for (step, _) in open.iter().filter(|(_, open)| **open && !paused) {
        breaches.push(format!("X-65: `{step}` is never closed"));
    }
    if seen.status != "completed" {
        return;
    }
    for step in segment["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|step| step["step_id"].as_str())
    {
        let skips = unstarted_skips.get(step).copied().unwrap_or(0);
        if !open.contains_key(step) && skips != 1 {
            breaches.push(format!(
                "X-14: `{step}` never started and is reported skipped {skips} times"
            ));
        }
    }
}

/// for engines that number and date their events.
fn numbering(seen: &Observed, breaches: &mut Vec<String>) {
    let mut started: BTreeMap<&str, &str> = BTreeMap::new();
    let mut before = "";
    for (n, event) in seen.events.iter().enumerate() {
        let Some(id) = event.id.as_deref() else {
            continue;
        };
        if id.rsplit_once(':').map(|(_, number)| number) != Some((n + 1).to_string().as_str()) {
            breaches.push(format!("X-90: event {} has the id `{id}`", n + 1));
        }
        let label = event.label();
        let root = seen.events[0].id.as_deref();
        let parent = match (event.kind.as_str(), event.step.as_deref()) {
            ("segment.started", _) => None,
            ("data.consumed", _) => event.parent.as_deref(),
            ("step.started" | "step.skipped", _) | (_, None) => root,
            (_, Some(step)) => started.get(step).copied(),
        };
        if event.parent.as_deref() != parent {
            breaches.push(format!(
                "X-93: {label} has the parent {:?}, not {parent:?}",
                event.parent
            ));
        }
        if let ("step.started", Some(step)) = (event.kind.as_str(), event.step.as_deref()) {
            started.insert(step, id);
        }
        let now = event.timestamp.as_deref().unwrap_or_default();
        if now < before {
            breaches.push(format!("X-94: {label} is dated {now}, after {before}"));
        }
        before = now;
    }
}
