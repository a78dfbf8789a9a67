//! What a group promises: balance, outcomes of every pipeline, results combined the same way every time.

mod aggregation;
mod balance;
mod runs;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use llmteam_security::{AgentId, Clock, ManualClock, RunId, Timestamp, clock::Wake};
use serde_json::Value;

use super::*;
use crate::roles::{
    AgentError, Fields, OrchestrationDecision, OrchestrationError, OrchestrationOutcome,
    OutcomeKind, RunPath,
};

pub(super) fn id(text: &str) -> AgentId {
    text.parse().unwrap()
}

pub(super) fn run_id(text: &str) -> RunId {
    text.parse().unwrap()
}

pub(super) fn fields(json: Value) -> Fields {
    match json {
        Value::Object(fields) => fields,
        other => panic!("{other} is not an object"),
    }
}

type Work = dyn Fn(u32) -> Result<Fields, String> + Send + Sync;

/// A pipeline that does as it is told, takes its time, and keeps what it was given.
pub(super) struct Fake {
    id: AgentId,
    work: Box<Work>,
    takes: Duration,
    kind: OutcomeKind,
    clock: ManualClock,
    calls: AtomicU32,
    pub(super) runs: Mutex<Vec<String>>,
}

impl Fake {
    pub(super) fn takes(mut self, seconds: u64) -> Self {
        self.takes = Duration::from_secs(seconds);
        self
    }

    pub(super) fn ends_as(mut self, kind: OutcomeKind) -> Self {
        self.kind = kind;
        self
    }
}

#[async_trait]
impl GroupPipeline for Fake {
    fn pipeline_id(&self) -> &AgentId {
        &self.id
    }

    async fn run(
        &self,
        run: RunPath,
        _: &Fields,
    ) -> Result<OrchestrationOutcome, OrchestrationError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.runs.lock().unwrap().push(run.to_string());
        let until = self.clock.now().saturating_add(self.takes);
        self.clock.sleep_until(until, Wake::Work).await;
        match (self.work)(call) {
            Ok(state) => Ok(OrchestrationOutcome {
                run,
                kind: self.kind,
                state,
                decision: OrchestrationDecision::end("done"),
                steps: 1,
                warnings: Vec::new(),
            }),
            Err(message) => Err(failed(run, &message)),
        }
    }
}

/// The error of a pipeline one of whose agents failed.
fn failed(run: RunPath, message: &str) -> OrchestrationError {
    use crate::{
        execution::TaskErrorKind,
        roles::{pipeline::PartialRun, strategy::Step},
    };
    OrchestrationError::AgentFailed {
        agent: id("worker"),
        kind: TaskErrorKind::Failed,
        message: AgentError::transient(message.to_owned())
            .message()
            .to_owned(),
        partial: Box::new(PartialRun {
            run,
            state: Fields::new(),
            step: Step::Start,
            steps: 1,
            warnings: Vec::new(),
        }),
    }
}

/// A clock, and what is made with it.
pub(super) struct Bench {
    pub(super) clock: ManualClock,
}

impl Bench {
    pub(super) fn new() -> Self {
        let clock = ManualClock::new(Timestamp::from_micros(1_000_000));
        Self { clock }
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    pub(super) fn fake(
        &self,
        name: &str,
        work: impl Fn(u32) -> Result<Fields, String> + Send + Sync + 'static,
    ) -> Fake {
        Fake {
            id: id(name),
            work: Box::new(work),
            takes: Duration::ZERO,
            kind: OutcomeKind::Completed,
            clock: self.clock.clone(),
            calls: AtomicU32::new(0),
            runs: Mutex::default(),
        }
    }

    /// A pipeline that returns `json`.
    pub(super) fn gives(&self, name: &str, json: Value) -> Fake {
        let fields = fields(json);
        self.fake(name, move |_| Ok(fields.clone()))
    }

    /// A pipeline that always fails.
    pub(super) fn fails(&self, name: &str, message: &str) -> Fake {
        let message = message.to_owned();
        self.fake(name, move |_| Err(message.clone()))
    }

    pub(super) fn group(&self, pipelines: impl IntoIterator<Item = Fake>) -> GroupOrchestrator {
        let group = GroupOrchestrator::new(id("desk"), self.clock()).unwrap();
        for pipeline in pipelines {
            group.register_pipeline(Arc::new(pipeline)).unwrap();
        }
        group
    }

    /// A group that gives every pipeline the input.
    pub(super) fn fan_out(
        &self,
        aggregation: AggregationStrategy,
        pipelines: impl IntoIterator<Item = Fake>,
    ) -> GroupOrchestrator {
        let strategy = ParallelFanOutStrategy { aggregation };
        self.group(pipelines).with_strategy(Arc::new(strategy))
    }

    /// Lets time pass until the run is done.
    pub(super) async fn run(
        &self,
        group: &Arc<GroupOrchestrator>,
        run: &str,
    ) -> Result<GroupOutcome, GroupError> {
        let (group, run) = (Arc::clone(group), run_id(run));
        let work = tokio::spawn(async move { group.orchestrate(run, &Fields::new()).await });
        self.clock.settle().await;
        while !work.is_finished() {
            let Some(next) = self.clock.next_wake() else {
                break;
            };
            self.clock.advance_to(next).await;
        }
        work.await.unwrap()
    }
}

pub(super) fn states(group: &GroupOrchestrator) -> Vec<(String, PipelineState, usize)> {
    let statuses = group.get_pipeline_statuses().into_iter();
    statuses
        .map(|it| (it.pipeline_id.to_string(), it.status, it.in_flight))
        .collect()
}
