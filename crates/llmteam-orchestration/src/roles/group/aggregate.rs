//! Several results become one.
//!
//! Invariant: a pure function of the outcomes, in the order of the targets. What is the same for JSON is the same here: the
//! order of fields does not matter, nor whether a whole number is written with a fraction. Nothing is dropped in silence:
//! conflicts are listed, votes are counted.
//! This module does not know who ran, nor why.

use std::collections::BTreeMap;

use llmteam_security::AgentId;
use serde::Serialize;
use serde_json::{Number, Value, json};

use super::{
    super::agent::Fields, decision::AggregationStrategy, error::AggregationError,
    outcome::PipelineOutcome,
};

/// What happens when pipelines give a field different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// The last in the order of the targets counts, and the conflict is listed.
    #[default]
    LastWins,
    /// The results are not merged.
    Refuse,
}

/// How many must agree in a vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quorum {
    /// As many as do.
    #[default]
    Any,
    /// More than half of all that were chosen, those that failed included.
    Majority,
    /// So many.
    AtLeast(usize),
}

impl Quorum {
    fn of(self, chosen: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::Majority => chosen / 2 + 1,
            Self::AtLeast(votes) => votes,
        }
    }
}

/// How results are combined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AggregationOptions {
    /// Of a merge.
    pub on_conflict: ConflictPolicy,
    /// Of a vote: the field that is voted on; `None` for the whole result.
    pub vote_field: Option<String>,
    /// Of a vote.
    pub quorum: Quorum,
}

/// Pipelines that give a field different values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The field.
    pub field: String,
    /// Who gives it, in the order of the targets.
    pub pipelines: Vec<AgentId>,
}

/// Pipelines that agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VoteCount {
    /// Who, in the order of the targets.
    pub pipelines: Vec<AgentId>,
    /// How many they are.
    pub votes: usize,
}

/// Several results as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// The result.
    pub result: Fields,
    /// Of a merge: where the pipelines differ, by field.
    pub conflicts: Vec<Conflict>,
    /// Of a vote: how it went, most votes first, then in the order of the targets.
    pub votes: Vec<VoteCount>,
}

impl Aggregation {
    fn of(result: Fields) -> Self {
        Self {
            result,
            conflicts: Vec::new(),
            votes: Vec::new(),
        }
    }
}

/// Combines what pipelines returned.
///
/// # Errors
///
/// [`AggregationError`]: no result at all, a conflict or a vote that is refused.
pub fn aggregate(
    strategy: AggregationStrategy,
    outcomes: &[PipelineOutcome],
    options: &AggregationOptions,
) -> Result<Aggregation, AggregationError> {
    let results: Vec<(&AgentId, &Fields)> = outcomes
        .iter()
        .filter_map(|it| Some((&it.pipeline_id, it.result.as_ref().ok()?)))
        .collect();
    if results.is_empty() {
        return Err(AggregationError::NoResult);
    }
    match strategy {
        AggregationStrategy::Merge => merge(&results, options.on_conflict),
        AggregationStrategy::Vote => vote(&results, outcomes.len(), options),
        AggregationStrategy::First => first(outcomes),
        AggregationStrategy::All => Ok(Aggregation::of(all(outcomes))),
    }
}

fn merge(
    results: &[(&AgentId, &Fields)],
    policy: ConflictPolicy,
) -> Result<Aggregation, AggregationError> {
    let mut merged = Fields::new();
    let mut givers = BTreeMap::<&str, Vec<(&AgentId, &Value)>>::new();
    for (pipeline, fields) in results {
        for (field, value) in *fields {
            givers.entry(field).or_default().push((pipeline, value));
            merged.insert(field.clone(), value.clone());
        }
    }
    let differ = givers.into_iter().filter(|(_, given)| {
        let mut values = given.iter().map(|(_, value)| canonical(value));
        let first = values.next();
        values.any(|it| Some(it) != first)
    });
    let conflicts: Vec<Conflict> = differ
        .map(|(field, given)| Conflict {
            field: field.to_owned(),
            pipelines: given
                .into_iter()
                .map(|(pipeline, _)| pipeline.clone())
                .collect(),
        })
        .collect();
    if policy == ConflictPolicy::Refuse && !conflicts.is_empty() {
        return Err(AggregationError::Conflicts { conflicts });
    }
    Ok(Aggregation {
        conflicts,
        ..Aggregation::of(merged)
    })
}

fn vote(
    results: &[(&AgentId, &Fields)],
    chosen: usize,
    options: &AggregationOptions,
) -> Result<Aggregation, AggregationError> {
    let mut camps = Vec::<(Value, &Fields, Vec<AgentId>)>::new();
    for (pipeline, fields) in results {
        let ballot = match &options.vote_field {
            None => canonical(&Value::Object((*fields).clone())),
            Some(field) => match fields.get(field) {
                Some(value) => canonical(value),
                None => continue,
            },
        };
        match camps.iter_mut().find(|(value, ..)| *value == ballot) {
            Some((.., camp)) => camp.push((*pipeline).clone()),
            None => camps.push((ballot, *fields, vec![(*pipeline).clone()])),
        }
    }
    // Stable: among equals the camp of the earliest target stays first.
    camps.sort_by_key(|(.., camp)| std::cmp::Reverse(camp.len()));
    let Some((_, winner, camp)) = camps.first() else {
        let field = options.vote_field.clone().unwrap_or_default();
        return Err(AggregationError::NoVotes { field });
    };
    let needed = options.quorum.of(chosen);
    if camp.len() < needed {
        let votes = camp.len();
        return Err(AggregationError::NoQuorum { votes, needed });
    }
    let result = (*winner).clone();
    let count = |(.., pipelines): (Value, &Fields, Vec<AgentId>)| VoteCount {
        votes: pipelines.len(),
        pipelines,
    };
    Ok(Aggregation {
        votes: camps.into_iter().map(count).collect(),
        ..Aggregation::of(result)
    })
}

/// The success that came first, or, where nobody knows, the first in the order of the targets.
fn first(outcomes: &[PipelineOutcome]) -> Result<Aggregation, AggregationError> {
    let successes = outcomes.iter().filter_map(|it| {
        let rank = if it.rank == 0 { u32::MAX } else { it.rank };
        Some((rank, it.result.as_ref().ok()?))
    });
    let first = successes.min_by_key(|(rank, _)| *rank);
    let (_, fields) = first.ok_or(AggregationError::NoResult)?;
    Ok(Aggregation::of(fields.clone()))
}

fn all(outcomes: &[PipelineOutcome]) -> Fields {
    let entry = |it: &PipelineOutcome| match &it.result {
        Ok(result) => json!({"pipeline_id": it.pipeline_id, "ok": true, "result": result}),
        Err(error) => json!({"pipeline_id": it.pipeline_id, "ok": false, "error": error}),
    };
    let entries: Vec<Value> = outcomes.iter().map(entry).collect();
    Fields::from_iter([("results".to_owned(), entries.into())])
}

/// The largest whole number up to which every whole double is that number and no other.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `value` with every whole number within [`EXACT`] as an integer, so that equal values compare equal.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(canonical_number(number)),
        Value::Array(entries) => entries.iter().map(canonical).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), canonical(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn canonical_number(number: &Number) -> Number {
    let whole = |it: &f64| it.fract() == 0.0 && it.abs() <= EXACT;
    match number.as_f64().filter(|it| number.is_f64() && whole(it)) {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Some(float) => Number::from(float as i64),
        None => number.clone(),
    }
}
