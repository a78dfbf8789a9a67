//! What a run tells process mining.
//!
//! Invariant: events of one attempt are one case, numbered without gaps; every start has its completion, and the case its
//! outcome, also when the run is dropped. What mining refuses is noted and hinders no run.
//! This file does not know what is learnt from the events.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use llmteam_security::{AgentId, Clock};
use serde_json::json;

use super::super::{
    agent::{Agent, AgentError, Fields},
    decision::OrchestrationDecision,
    mining::{Lifecycle, Outcome, ProcessEvent, ProcessMiningEngine},
    run::RunPath,
    text::sanitised,
};

/// Who decides, as a resource.
const ORCHESTRATOR: &str = "orchestrator";

/// Records the events of one attempt.
pub(super) struct Recorder<'a> {
    engine: Option<&'a ProcessMiningEngine>,
    clock: &'a dyn Clock,
    case: String,
    next: AtomicU64,
    /// How many pieces of work have begun.
    instances: AtomicU64,
    refused: Mutex<Vec<String>>,
    outcome: Outcome,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        engine: Option<&'a ProcessMiningEngine>,
        clock: &'a dyn Clock,
        run: &RunPath,
    ) -> Self {
        Self {
            engine,
            clock,
            case: run.to_string(),
            next: AtomicU64::new(1),
            instances: AtomicU64::new(0),
            refused: Mutex::default(),
            outcome: Outcome::Cancelled,
        }
    }

    /// A decision was reached.
    pub(super) fn decided(&self, decision: &OrchestrationDecision) {
        let activity = format!("decision:{}", decision.decision_type);
        let event = |event: ProcessEvent| {
            let attributes = json!({
                "reason": sanitised(&decision.reason),
                "confidence": decision.confidence,
                "source": decision.source.to_string(),
                "targets": decision.target_agents.iter().map(AgentId::as_str).collect::<Vec<_>>().join(","),
            });
            ProcessEvent {
                lifecycle: Lifecycle::Decision,
                attributes: attributes.as_object().cloned().unwrap_or_default(),
                ..event
            }
        };
        self.record(&activity, ORCHESTRATOR, event);
    }

    /// A target is not there.
    pub(super) fn missing(&self, agent: &AgentId) {
        self.record("warning:missing_target", ORCHESTRATOR, |event| {
            ProcessEvent {
                lifecycle: Lifecycle::Decision,
                attributes: [("agent".to_owned(), agent.as_str().into())]
                    .into_iter()
                    .collect(),
                ..event
            }
        });
    }

    /// The attempt is over, and how; without this it counts as called off.
    pub(super) fn ends(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// What mining refused since this was last asked.
    pub(super) fn take_refused(&self) -> Vec<String> {
        std::mem::take(&mut *self.refused())
    }

    fn record(
        &self,
        activity: &str,
        resource: &str,
        with: impl FnOnce(ProcessEvent) -> ProcessEvent,
    ) {
        let Some(engine) = self.engine else {
            return;
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}:{number}", self.case);
        let event = ProcessEvent::new(id, self.clock.now(), activity, resource, self.case.clone());
        if let Err(error) = engine.record_event(with(event)) {
            self.refused().push(error.to_string());
        }
    }

    fn refused(&self) -> MutexGuard<'_, Vec<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        if let Some(engine) = self.engine {
            engine.end_case(&self.case, self.outcome);
        }
    }
}

/// An agent whose work is recorded.
pub(super) struct Recorded<'a> {
    pub(super) name: &'a AgentId,
    pub(super) agent: Arc<dyn Agent>,
    pub(super) attempt: NonZeroU32,
    pub(super) recorder: &'a Recorder<'a>,
}

#[async_trait]
impl Agent for Recorded<'_> {
    fn name(&self) -> Option<&str> {
        Some(self.name.as_str())
    }

    async fn process(&self, input: &Fields) -> Result<Fields, AgentError> {
        let mut work = Work::begin(self);
        let result = self.agent.process(input).await;
        if result.is_ok() {
            work.outcome = Outcome::Completed;
        }
        result
    }
}

/// Work that is under way; dropped, it is over. Unless it was said to be completed, it failed.
struct Work<'a> {
    of: &'a Recorded<'a>,
    instance: String,
    began: Duration,
    outcome: Outcome,
}

impl<'a> Work<'a> {
    fn begin(of: &'a Recorded<'a>) -> Self {
        let recorder = of.recorder;
        let instance = recorder.instances.fetch_add(1, Ordering::Relaxed) + 1;
        let work = Self {
            of,
            instance: instance.to_string(),
            began: recorder.clock.monotonic(),
            outcome: Outcome::Failed,
        };
        work.record(Lifecycle::Start, None);
        work
    }

    fn record(&self, lifecycle: Lifecycle, outcome: Option<Outcome>) {
        let recorder = self.of.recorder;
        let took = recorder.clock.monotonic().saturating_sub(self.began);
        recorder.record(self.of.name.as_str(), self.of.name.as_str(), |event| {
            ProcessEvent {
                lifecycle,
                outcome,
                attempt: Some(self.of.attempt),
                duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                attributes: [("concept:instance".to_owned(), self.instance.as_str().into())]
                    .into_iter()
                    .collect(),
                ..event
            }
        });
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.record(Lifecycle::Complete, Some(self.outcome));
    }
}
