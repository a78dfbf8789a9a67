//! Runs beside the design: what they did that it has no place for, and what it has that they left out.
//!
//! Invariant: a run is compared as a whole or not at all. Runs that failed, were cancelled or go on have no end to compare and
//! are only counted. This module does not know where logs come from; it takes one of runs as well as one that somebody edited.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use llmteam_orchestration::roles::mining::{
    Alignment, AttributeValue, ConformanceError, DeviationKind, EventLog, Move, Outcome, PetriNet,
    PetriNetError, SearchBound, TooManyActivities, Variants, fitness_alignments,
    fitness_token_based_replay, precision_alignments,
};
use serde::Serialize;

use super::log::DEFINITION;
use super::net::net_of_plan;
use crate::canvas::plan::ExecutionPlan;

/// The most runs that a deviation names.
pub const EXAMPLES: usize = 5;

/// How runs agree with a design.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conformance {
    /// The design: the digest of its plan.
    pub design: String,
    /// How many runs were compared.
    pub runs: u64,
    /// How many have no end to compare: they failed, were cancelled, or go on.
    pub unfinished: u64,
    /// How many of the compared runs did as designed.
    pub conforming: u64,
    /// 1 − cost of all alignments / cost of runs that share nothing with the design.
    pub fitness: f64,
    /// The mean of the runs' own fitness.
    pub average_fitness: f64,
    /// The fitness of token replay; none when its search passed the bound.
    pub token_fitness: Option<f64>,
    /// How much of what the design allows was done; none when its search passed the bound.
    pub precision: Option<f64>,
    /// What was done otherwise, what most runs did first.
    pub deviations: Vec<StepDeviation>,
}

/// One way in which runs leave a design, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepDeviation {
    /// In which way.
    #[serde(serialize_with = "kind_name")]
    pub kind: DeviationKind,
    /// The step.
    pub step: String,
    /// The step before it that run and design share; none at the beginning.
    pub after: Option<String>,
    /// Whether the design has a step of this name.
    pub designed: bool,
    /// How many runs.
    pub runs: u64,
    /// How often, over all runs.
    pub times: u64,
    /// The first of the runs, at most [`EXAMPLES`].
    pub examples: Vec<String>,
}

/// The wire word of a kind of deviation: `unexpected` or `missing`.
pub fn deviation_word(kind: DeviationKind) -> &'static str {
    match kind {
        DeviationKind::Unexpected => "unexpected",
        DeviationKind::Skipped => "missing",
    }
}

fn kind_name<S: serde::Serializer>(kind: &DeviationKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(deviation_word(*kind))
}

/// Why runs cannot be compared with a design.
#[derive(Debug, thiserror::Error)]
pub enum DesignError {
    /// The design has no net.
    #[error(transparent)]
    Net(#[from] PetriNetError),
    /// No nearest behaviour was found within the bound.
    #[error("the runs cannot be aligned with the design: {0}")]
    Conformance(#[from] ConformanceError),
    /// The log names too much.
    #[error(transparent)]
    Activities(#[from] TooManyActivities),
}

/// The runs of one definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionCases {
    /// The digest of the definition; none for cases that name none.
    pub definition: Option<String>,
    /// The places of its cases in the log, in order.
    pub cases: Vec<usize>,
}

/// The cases of a log by the definition that they are pinned to, in the order of their first case.
pub fn cases_by_definition(log: &EventLog) -> Vec<VersionCases> {
    let mut versions: Vec<VersionCases> = Vec::new();
    for case in 0..log.case_count() {
        let definition = definition_of(log, case);
        match versions
            .iter_mut()
            .find(|it| it.definition.as_deref() == definition)
        {
            Some(version) => version.cases.push(case),
            None => versions.push(VersionCases {
                definition: definition.map(str::to_owned),
                cases: vec![case],
            }),
        }
    }
    versions
}

/// Compares cases of a log with a design.
///
/// # Errors
///
/// The design has no net, or the search for the nearest behaviour passes its bound.
pub fn conformance_with_plan(
    log: &EventLog,
    cases: &[usize],
    plan: &Arc<ExecutionPlan>,
    bound: SearchBound,
) -> Result<Conformance, DesignError> {
    let net = net_of_plan(plan)?;
    let finished: Vec<usize> = cases
        .iter()
        .copied()
        .filter(|it| is_finished(log, *it))
        .collect();
    let taken = Taken::of(log, &finished)?;
    let alignments = fitness_alignments(&taken.variants, &net, bound)?;
    let token = fitness_token_based_replay(&taken.variants, &net, bound);
    let conforming = alignments.traces.iter().filter(|it| it.cost == 0);
    Ok(Conformance {
        design: plan.digest().to_owned(),
        runs: finished.len() as u64,
        unfinished: (cases.len() - finished.len()) as u64,
        conforming: conforming.map(|it| it.cases).sum(),
        fitness: alignments.log_fitness,
        average_fitness: alignments.average_trace_fitness,
        token_fitness: token.ok().map(|it| it.log_fitness),
        precision: precision_alignments(&taken.variants, &net, bound).ok(),
        deviations: taken.deviations(&alignments.traces, &net, plan),
    })
}

/// Cases by the way that they took.
struct Taken<'a> {
    variants: Variants,
    /// By variant: the names of its cases.
    names: Vec<Vec<&'a str>>,
}

impl<'a> Taken<'a> {
    fn of(log: &'a EventLog, cases: &[usize]) -> Result<Self, TooManyActivities> {
        let steps = |case: usize| -> Vec<&'a str> {
            log.rows(case)
                .map(|row| log.instance(row).activity)
                .collect()
        };
        let variants = Variants::count(cases.iter().map(|it| steps(*it)))?;
        // Variants stand in the order of their first case, as these do.
        let mut places: HashMap<Vec<&str>, usize> = HashMap::new();
        let mut names: Vec<Vec<&str>> = Vec::new();
        for case in cases {
            let place = *places.entry(steps(*case)).or_insert_with(|| {
                names.push(Vec::new());
                names.len() - 1
            });
            names[place].push(log.case_name(*case));
        }
        Ok(Self { variants, names })
    }

    fn deviations(
        &self,
        alignments: &[Alignment],
        net: &PetriNet,
        plan: &ExecutionPlan,
    ) -> Vec<StepDeviation> {
        type Place<'p> = (DeviationKind, &'p str, Option<&'p str>);
        let mut found: BTreeMap<Place<'_>, StepDeviation> = BTreeMap::new();
        let variants = self.variants.iter().zip(&self.names).zip(alignments);
        for ((variant, names), alignment) in variants {
            let name = |event: usize| self.variants.name(variant.activities[event]);
            let mut after = None;
            let mut times: BTreeMap<Place<'_>, u64> = BTreeMap::new();
            for step in &alignment.moves {
                let (kind, activity) = match step {
                    Move::Silent { .. } => continue,
                    Move::Synchronous { event, .. } => {
                        after = Some(name(*event));
                        continue;
                    }
                    Move::Log { event } => (DeviationKind::Unexpected, name(*event)),
                    Move::Model { transition } => {
                        let label = net.transition(*transition).label.as_deref();
                        (DeviationKind::Skipped, label.unwrap_or_default())
                    }
                };
                *times.entry((kind, activity, after)).or_default() += 1;
            }
            for (place, times) in times {
                let (kind, step, after) = place;
                let entry = found.entry(place).or_insert_with(|| StepDeviation {
                    kind,
                    step: step.to_owned(),
                    after: after.map(str::to_owned),
                    designed: plan
                        .steps()
                        .iter()
                        .any(|it| it.spec().step_id.as_str() == step),
                    runs: 0,
                    times: 0,
                    examples: Vec::new(),
                });
                entry.runs += variant.cases;
                entry.times += times * variant.cases;
                let room = EXAMPLES - entry.examples.len();
                entry
                    .examples
                    .extend(names.iter().take(room).map(|it| (*it).to_owned()));
            }
        }
        let mut found: Vec<StepDeviation> = found.into_values().collect();
        found.sort_by_key(|it| std::cmp::Reverse((it.runs, it.times)));
        found
    }
}

/// Whether a case has an end to compare. A log from elsewhere need not say how its cases ended.
fn is_finished(log: &EventLog, case: usize) -> bool {
    match log.case_outcome(case) {
        Some(outcome) => outcome == Outcome::Completed,
        None => definition_of(log, case).is_none(),
    }
}

fn definition_of(log: &EventLog, case: usize) -> Option<&str> {
    let mut attributes = log.case_attributes(case);
    attributes.find_map(|it| match (it.key, it.value) {
        (DEFINITION, AttributeValue::Text(digest)) => Some(digest),
        _ => None,
    })
}
