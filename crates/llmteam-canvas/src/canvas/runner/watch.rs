//! Who looks at a run: event stream, hooks, callbacks, and the result's own copy.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;

use llmteam_security::id::SegmentId;

use super::RunConfig;
use crate::canvas::machine::{Happening, RunEvent, RunMachine};
use crate::canvas::plan::ExecutionPlan;
use crate::events::{ErrorInfo, EventSource, EventStream, Projection, WorktrailEvent};
use crate::runtime::RuntimeContext;

/// Draws events and hands them on. Nothing that goes wrong here changes the run (E-02, X-68).
pub(super) struct Watch {
    /// Made for the first event: most runs of a library user have nobody looking.
    projection: OnceLock<Projection>,
    correlation_id: Option<Arc<str>>,
    plan: Arc<ExecutionPlan>,
    segment_id: SegmentId,
    stream: Option<EventStream>,
    runtime: RuntimeContext,
    config: Arc<RunConfig>,
    collected: Vec<Arc<WorktrailEvent>>,
}

impl Watch {
    pub(super) fn new(
        machine: &RunMachine,
        stream: Option<EventStream>,
        runtime: RuntimeContext,
        config: Arc<RunConfig>,
    ) -> Self {
        let correlation_id = machine.settings().correlation_id.as_deref().map(Arc::from);
        Self {
            projection: OnceLock::new(),
            correlation_id,
            plan: Arc::clone(machine.plan()),
            segment_id: machine.identity().segment_id.clone(),
            stream,
            runtime,
            config,
            collected: Vec::new(),
        }
    }

    fn projection(&self) -> &Projection {
        self.projection.get_or_init(|| {
            let source = EventSource::new(
                &self.runtime,
                self.segment_id.clone(),
                self.correlation_id.clone(),
            );
            Projection::new(Arc::clone(&self.plan), source)
        })
    }

    /// Takes in what happened before this process had the run: for the stream's history and the result,
    /// not for hooks and callbacks, which heard of it then.
    pub(super) async fn remember(&mut self, events: &mut Vec<RunEvent>) {
        let told = match &self.stream {
            Some(stream) => last_number(stream, &self.runtime).await,
            None => 0,
        };
        for event in events.drain(..) {
            let drawn = Arc::new(self.projection().draw(&event));
            if let Some(stream) = self.stream.as_ref().filter(|_| event.number > told) {
                stream.publish(Arc::clone(&drawn));
            }
            if self.config.collect_events {
                self.collected.push(drawn);
            }
        }
    }

    /// Publishes what happened, in order.
    pub(super) async fn publish(&mut self, machine: &RunMachine, events: &mut Vec<RunEvent>) {
        for event in events.drain(..) {
            let drawn = Arc::new(self.projection().draw(&event));
            if let Some(stream) = &self.stream {
                stream.publish(Arc::clone(&drawn));
            }
            self.runtime.notify(&drawn);
            if self.config.collect_events {
                self.collected.push(drawn);
            }
            self.call_back(machine, &event).await;
        }
    }

    /// Events kept for the result.
    pub(super) fn take_collected(&mut self) -> Vec<Arc<WorktrailEvent>> {
        std::mem::take(&mut self.collected)
    }

    async fn call_back(&self, machine: &RunMachine, event: &RunEvent) {
        let Some(step) = event.step else { return };
        let id = || machine.step_id(step).to_string();
        let config = &self.config;
        let callback = match &event.what {
            Happening::StepStarted { input, .. } => config
                .on_step_start
                .as_ref()
                .map(|it| it(id(), input.object())),
            Happening::StepCompleted { output, .. } => config
                .on_step_complete
                .as_ref()
                .map(|it| it(id(), output.object())),
            Happening::StepFailed { error, .. } => config
                .on_step_error
                .as_ref()
                .map(|it| it(id(), ErrorInfo::from(error))),
            _ => None,
        };
        if let Some(callback) = callback
            && AssertUnwindSafe(callback).catch_unwind().await.is_err()
        {
            tracing::error!(step = %machine.step_id(step), "a step callback panicked");
        }
    }
}

/// Number of the last event of the run that the stream knows.
async fn last_number(stream: &EventStream, runtime: &RuntimeContext) -> u64 {
    match stream
        .get_history(runtime.tenant_id(), runtime.run_id())
        .await
    {
        Ok(history) => history.last().map_or(0, |event| event.number()),
        Err(error) => {
            tracing::warn!(%error, "the event history could not be read");
            0
        }
    }
}
