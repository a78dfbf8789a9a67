//! Reading a model's answer: the first JSON object in it, checked.
//!
//! Invariant: what is read names a known decision and registered agents only; whatever is wrong with an answer is said in
//! full, so that who wrote it can mend it. Reading never panics and takes time in proportion to the answer.
//! This module does not know who answered, nor what happens to an answer that cannot be used.

use std::collections::BTreeSet;

use llmteam_security::AgentId;
use serde_json::{Map, Value};

use super::super::{
    decision::{Confidence, DecisionType, OrchestrationDecision},
    text::sanitised,
};

/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;
/// How many opening braces are tried before an answer is taken to hold no object.
const TRIES: usize = 64;

/// The reason of an answer that gives none.
const NO_REASON: &str = "llm_decision";

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AnswerFault {
    /// It is longer than is read.
    #[error("the answer has {length} bytes: at most {LONGEST} are read")]
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// There is no JSON object in it.
    #[error("the answer holds no JSON object")]
    NoObject,
    /// It is JSON of another kind.
    #[error("the answer is {found}: expected an object")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// A member is of the wrong kind.
    #[error("`{member}` is {found}: expected {expected}")]
    WrongKind {
        /// Which.
        member: String,
        /// What it is.
        found: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The decision is none of those there are.
    #[error("`decision` is `{value}`: expected one of {}", DecisionType::WORDS.join(", "))]
    UnknownDecision {
        /// What it says.
        value: String,
    },
    /// An agent that is not registered.
    #[error("`targets[{index}]` is `{value}`, which is no registered agent")]
    UnknownAgent {
        /// Its place.
        index: usize,
        /// What it says.
        value: String,
    },
    /// An agent is named twice.
    #[error("`targets[{index}]` names `{agent}` again")]
    RepeatedAgent {
        /// Its place.
        index: usize,
        /// Who.
        agent: AgentId,
    },
    /// Nobody is named for what somebody must do.
    #[error("`targets` is empty: `{decision}` needs at least one agent")]
    NoTargets {
        /// What was decided.
        decision: DecisionType,
    },
    /// The confidence is out of bounds.
    #[error("`confidence` is {value}: expected a number from 0 to 1")]
    Confidence {
        /// What it says.
        value: f64,
    },
}

/// The decision in `text`, whose targets are among `agents`.
pub(super) fn read(
    text: &str,
    agents: &[AgentId],
) -> Result<OrchestrationDecision, Vec<AnswerFault>> {
    let object = first_object(text).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let decision_type = decision_type(&object, &mut faults);
    let targets = targets(&object, agents, &mut faults);
    let reason = reason(&object, &mut faults);
    let confidence = confidence(&object, &mut faults);
    if let (Some(decision @ (DecisionType::Route | DecisionType::Parallel)), Some([])) =
        (decision_type, targets.as_deref())
    {
        faults.push(AnswerFault::NoTargets { decision });
    }
    match (decision_type, targets, reason, confidence) {
        (Some(decision_type), Some(targets), Some(reason), Some(confidence))
            if faults.is_empty() =>
        {
            let decision = OrchestrationDecision::new(decision_type, targets, reason);
            Ok(OrchestrationDecision {
                confidence,
                ..decision
            })
        }
        _ => Err(faults),
    }
}

/// The object that is the answer, or the first one in fences or prose.
fn first_object(text: &str) -> Result<Map<String, Value>, AnswerFault> {
    if text.len() > LONGEST {
        return Err(AnswerFault::TooLong { length: text.len() });
    }
    match serde_json::from_str(text.trim()) {
        Ok(Value::Object(object)) => return Ok(object),
        Ok(other) => {
            return Err(AnswerFault::NotAnObject {
                found: kind(&other),
            });
        }
        Err(_) => {}
    }
    let starts = text.match_indices('{').map(|(start, _)| start).take(TRIES);
    starts
        .filter_map(|start| {
            let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter();
            values.next()?.ok()
        })
        .next()
        .ok_or(AnswerFault::NoObject)
}

fn decision_type(
    object: &Map<String, Value>,
    faults: &mut Vec<AnswerFault>,
) -> Option<DecisionType> {
    match object.get("decision") {
        None => Some(DecisionType::Route),
        Some(Value::String(text)) => {
            let decision = text.trim().to_lowercase().parse().ok();
            if decision.is_none() {
                let value = sanitised(text);
                faults.push(AnswerFault::UnknownDecision { value });
            }
            decision
        }
        Some(other) => wrong("decision", other, "text", faults),
    }
}

fn targets(
    object: &Map<String, Value>,
    agents: &[AgentId],
    faults: &mut Vec<AnswerFault>,
) -> Option<Vec<AgentId>> {
    let entries = match object.get("targets") {
        None => return Some(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(other) => return wrong("targets", other, "a list of agents", faults),
    };
    let known: BTreeSet<&str> = agents.iter().map(AgentId::as_str).collect();
    let mut targets = Vec::<AgentId>::new();
    for (index, entry) in entries.iter().enumerate().take(known.len() + 1) {
        let Value::String(text) = entry else {
            wrong::<()>(
                &format!("targets[{index}]"),
                entry,
                "the name of an agent",
                faults,
            );
            continue;
        };
        match text.parse::<AgentId>() {
            Ok(agent) if targets.contains(&agent) => {
                faults.push(AnswerFault::RepeatedAgent { index, agent });
            }
            Ok(agent) if known.contains(agent.as_str()) => targets.push(agent),
            _ => {
                let value = sanitised(text);
                faults.push(AnswerFault::UnknownAgent { index, value });
            }
        }
    }
    Some(targets)
}

fn reason(object: &Map<String, Value>, faults: &mut Vec<AnswerFault>) -> Option<String> {
    match object.get("reason") {
        None => Some(NO_REASON.to_owned()),
        Some(Value::String(text)) => Some(sanitised(text)),
        Some(other) => wrong("reason", other, "text", faults),
    }
}

fn confidence(object: &Map<String, Value>, faults: &mut Vec<AnswerFault>) -> Option<Confidence> {
    let Some(value) = object.get("confidence") else {
        return Some(Confidence::LIKELY);
    };
    let Some(value) = value.as_f64() else {
        return wrong("confidence", value, "a number from 0 to 1", faults);
    };
    let confidence = Confidence::new(value).ok();
    if confidence.is_none() {
        faults.push(AnswerFault::Confidence { value });
    }
    confidence
}

fn wrong<T>(
    member: &str,
    found: &Value,
    expected: &'static str,
    faults: &mut Vec<AnswerFault>,
) -> Option<T> {
    faults.push(AnswerFault::WrongKind {
        member: member.to_owned(),
        found: kind(found),
        expected,
    });
    None
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
