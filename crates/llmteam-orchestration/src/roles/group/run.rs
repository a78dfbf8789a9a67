//! One run of a group: the chosen pipelines, at once, within the executor's limits.
//!
//! Invariant: every target has one outcome, at its place; what a pipeline holds of the group is given back when its part is
//! over or the run is dropped. Where the first success is wanted, the others are called off when it is there.
//! This module does not know who was chosen, nor how outcomes are combined.

use std::{
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::future::Either;
use llmteam_security::AgentId;
use tokio::sync::Notify;

use super::{
    super::{
        agent::{Agent, AgentError, Fields},
        run::RunPath,
    },
    member::GroupPipeline,
    outcome::{PipelineFailure, PipelineFailureKind, PipelineOutcome},
    table::{Ended, InFlight, Reserved},
};
use crate::execution::{PipelineExecutor, TaskResult};

/// What became of the targets of a run.
pub(super) struct Parts {
    pub(super) outcomes: Vec<PipelineOutcome>,
    pub(super) missing: Vec<AgentId>,
}

/// Runs what was reserved. With `first_only` what is still running when one succeeds is called off.
pub(super) async fn run_parts(
    executor: &PipelineExecutor,
    run: &RunPath,
    reserved: Vec<Reserved>,
    input: &Fields,
    first_only: bool,
) -> Parts {
    let race = Race::default();
    let (mut places, mut parts, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for it in reserved {
        match it {
            Reserved::Ready(pipeline, in_flight) => {
                places.push(None);
                parts.push(Part::new(pipeline, in_flight, run, &race));
            }
            Reserved::CoolingDown(id, refusal) => {
                let kind = PipelineFailureKind::CoolingDown;
                let failure = PipelineFailure::new(kind, &refusal.to_string());
                let part = run.child(&id);
                places.push(Some(PipelineOutcome::failed(id, part, failure)));
            }
            Reserved::Missing(id) => missing.push(id),
        }
    }
    let won = if first_only {
        Either::Left(race.won.notified())
    } else {
        Either::Right(pending())
    };
    let results = executor.execute_until(parts.iter(), input, won).await;
    let mut ran = parts
        .into_iter()
        .zip(results)
        .map(|(part, result)| part.outcome(&result));
    let outcomes = places
        .into_iter()
        .filter_map(|it| it.or_else(|| ran.next()));
    Parts {
        outcomes: outcomes.collect(),
        missing,
    }
}

/// Who succeeded when.
#[derive(Default)]
struct Race {
    successes: AtomicU32,
    won: Notify,
}

/// One pipeline's part, as the executor runs it.
struct Part<'a> {
    pipeline: Arc<dyn GroupPipeline>,
    run: RunPath,
    race: &'a Race,
    /// Held until the part is over.
    in_flight: Mutex<Option<InFlight>>,
    outcome: Mutex<Option<PipelineOutcome>>,
}

impl<'a> Part<'a> {
    fn new(
        pipeline: Arc<dyn GroupPipeline>,
        in_flight: InFlight,
        run: &RunPath,
        race: &'a Race,
    ) -> Self {
        Self {
            run: run.child(pipeline.pipeline_id()),
            pipeline,
            race,
            in_flight: Mutex::new(Some(in_flight)),
            outcome: Mutex::default(),
        }
    }

    /// What became of it; `result` says so where the part itself could not.
    fn outcome(self, result: &TaskResult) -> PipelineOutcome {
        let own = self
            .outcome
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let in_flight = self
            .in_flight
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let outcome = own.unwrap_or_else(|| {
            let failure = match result.error() {
                Some(error) => PipelineFailure::from(error),
                None => PipelineFailure::new(PipelineFailureKind::Failed, "it left no result"),
            };
            let id = self.pipeline.pipeline_id().clone();
            PipelineOutcome::failed(id, self.run, failure)
        });
        if let Some(in_flight) = in_flight {
            in_flight.ends(ended(&outcome));
        }
        outcome
    }
}

fn ended(outcome: &PipelineOutcome) -> Ended {
    match &outcome.result {
        Ok(_) => Ended::Well,
        Err(failure) if failure.counts_against() => Ended::Badly,
        Err(failure) if failure.kind == PipelineFailureKind::Escalated => Ended::Well,
        Err(_) => Ended::CalledOff,
    }
}

#[async_trait]
impl Agent for Part<'_> {
    fn name(&self) -> Option<&str> {
        Some(self.pipeline.pipeline_id().as_str())
    }

    async fn process(&self, input: &Fields) -> Result<Fields, AgentError> {
        let result = self.pipeline.run(self.run.clone(), input).await;
        let id = self.pipeline.pipeline_id().clone();
        let mut outcome = match result {
            Ok(outcome) => PipelineOutcome::of(id, outcome),
            Err(error) => {
                PipelineOutcome::failed(id, self.run.clone(), PipelineFailure::from(&error))
            }
        };
        if outcome.ok() {
            outcome.rank = self.race.successes.fetch_add(1, Ordering::Relaxed) + 1;
        }
        let held = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(in_flight) = held {
            in_flight.ends(ended(&outcome));
        }
        // The outcome is handed over beside the executor, which needs to know no more than whether it is a success.
        let verdict = match &outcome.result {
            Ok(_) => Ok(Fields::new()),
            Err(failure) => Err(AgentError::permanent(failure.message.clone())),
        };
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        if verdict.is_ok() {
            self.race.won.notify_one();
        }
        verdict
    }
}
