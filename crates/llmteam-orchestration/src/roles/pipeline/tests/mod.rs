//! What a pipeline promises: runs that end, failures that are seen, figures that are true, records that are whole.

mod decisions;
mod failures;
mod records;
mod runs;

use std::{
    collections::VecDeque,
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
    Agent, AgentError, DecisionType, Fields, OrchestrationContext, OrchestrationDecision,
    OrchestrationStrategy, StrategyError,
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

type Work = dyn Fn(&Fields, u32) -> Result<Fields, AgentError> + Send + Sync;
type State = dyn Fn() -> Result<Option<Fields>, AgentError> + Send + Sync;

/// An agent that does as it is told, takes its time, and counts its calls.
pub(super) struct Worker {
    pub(super) calls: AtomicU32,
    work: Box<Work>,
    takes: Duration,
    state: Box<State>,
    clock: ManualClock,
}

impl Worker {
    pub(super) fn state(
        mut self,
        state: impl Fn() -> Result<Option<Fields>, AgentError> + Send + Sync + 'static,
    ) -> Self {
        self.state = Box::new(state);
        self
    }

    pub(super) fn takes(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }
}

#[async_trait]
impl Agent for Worker {
    async fn process(&self, input: &Fields) -> Result<Fields, AgentError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let until = self.clock.now().saturating_add(self.takes);
        self.clock.sleep_until(until, Wake::Work).await;
        (self.work)(input, call)
    }

    async fn get_state(&self) -> Result<Option<Fields>, AgentError> {
        (self.state)()
    }
}

/// Gives the decisions of a list in order, and keeps what it was shown.
pub(super) struct Scripted {
    decisions: Mutex<VecDeque<Result<OrchestrationDecision, StrategyError>>>,
    pub(super) shown: Mutex<Vec<OrchestrationContext>>,
}

impl Scripted {
    pub(super) fn new(decisions: impl IntoIterator<Item = OrchestrationDecision>) -> Arc<Self> {
        let decisions = decisions.into_iter().map(Ok).collect();
        Arc::new(Self {
            decisions: Mutex::new(decisions),
            shown: Mutex::default(),
        })
    }
}

#[async_trait]
impl OrchestrationStrategy for Scripted {
    async fn decide(
        &self,
        context: &OrchestrationContext,
    ) -> Result<OrchestrationDecision, StrategyError> {
        self.shown.lock().unwrap().push(context.clone());
        let next = self.decisions.lock().unwrap().pop_front();
        next.unwrap_or_else(|| Ok(OrchestrationDecision::end("nothing more is scripted")))
    }
}

pub(super) fn decision(kind: DecisionType, targets: &[&str]) -> OrchestrationDecision {
    OrchestrationDecision::new(kind, targets.iter().map(|it| id(it)), "scripted")
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

    pub(super) fn worker(
        &self,
        work: impl Fn(&Fields, u32) -> Result<Fields, AgentError> + Send + Sync + 'static,
    ) -> Worker {
        Worker {
            calls: AtomicU32::new(0),
            work: Box::new(work),
            takes: Duration::ZERO,
            state: Box::new(|| Ok(None)),
            clock: self.clock.clone(),
        }
    }

    /// An agent that returns `json`.
    pub(super) fn gives(&self, json: Value) -> Worker {
        let fields = fields(json);
        self.worker(move |_, _| Ok(fields.clone()))
    }

    /// An agent that fails with `message` so many times, and then returns `json`.
    pub(super) fn fails(&self, times: u32, message: &'static str, json: Value) -> Worker {
        let fields = fields(json);
        self.worker(move |_, call| {
            if call <= times {
                Err(AgentError::transient(message))
            } else {
                Ok(fields.clone())
            }
        })
    }

    pub(super) fn builder(&self) -> PipelineBuilder {
        PipelineOrchestrator::builder(id("news"), self.clock())
    }

    pub(super) fn pipeline(
        &self,
        decisions: impl IntoIterator<Item = OrchestrationDecision>,
    ) -> PipelineOrchestrator {
        self.builder()
            .strategy(Scripted::new(decisions))
            .build()
            .unwrap()
    }

    /// Lets time pass until `work` is done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let work = tokio::spawn(work);
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
