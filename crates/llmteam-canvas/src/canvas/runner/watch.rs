//! Who looks at a run: event stream, hooks, callbacks, and the result's own copy.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::RunConfig;
use crate::canvas::machine::{Happening, RunEvent, RunMachine};
use crate::events::{ErrorInfo, EventSource, EventStream, Projection, WorktrailEvent};
use crate::runtime::RuntimeContext;

/// Draws events and hands them on. Nothing that goes wrong here changes the run (E-02, X-68).
pub(super) struct Watch {
    /// Made for the first event: most runs of a library user have nobody looking.
    projection: Option<Projection>,
    stream: Option<EventStream>,
    pub(super) config: RunConfig,
    collected: Vec<Arc<WorktrailEvent>>,
}

impl Watch {
    pub(super) fn new(stream: Option<EventStream>, config: RunConfig) -> Self {
        Self {
            projection: None,
            stream,
            config,
            collected: Vec::new(),
        }
    }

    fn draw(
        &mut self,
        machine: &RunMachine,
        runtime: &RuntimeContext,
        event: &RunEvent,
    ) -> Arc<WorktrailEvent> {
        let projection = self.projection.get_or_insert_with(|| {
            let segment_id = machine.identity().segment_id.clone();
            let correlation_id = machine.settings().correlation_id.as_deref();
            let source = EventSource::new(runtime, segment_id, correlation_id.map(Arc::from));
            Projection::new(Arc::clone(machine.plan()), source)
        });
        Arc::new(projection.draw(event))
    }

    /// Takes in what happened before this process had the run: for the stream's history and the result,
    /// not for hooks and callbacks, which heard of it then.
    pub(super) async fn remember(
        &mut self,
        machine: &RunMachine,
        runtime: &RuntimeContext,
        events: &mut Vec<RunEvent>,
    ) {
        let told = match &self.stream {
            Some(stream) => last_number(stream, runtime).await,
            None => 0,
        };
        for event in events.drain(..) {
            let drawn = self.draw(machine, runtime, &event);
            if let Some(stream) = self.stream.as_ref().filter(|_| event.number > told) {
                stream.publish(Arc::clone(&drawn));
            }
            if self.config.collect_events {
                self.collected.push(drawn);
            }
        }
    }

    /// Publishes what happened, in order.
    pub(super) async fn publish(
        &mut self,
        machine: &RunMachine,
        runtime: &RuntimeContext,
        events: &mut Vec<RunEvent>,
    ) {
        for event in events.drain(..) {
            let drawn = self.draw(machine, runtime, &event);
            if let Some(stream) = &self.stream {
                stream.publish(Arc::clone(&drawn));
            }
            runtime.notify(&drawn);
            if self.config.collect_events {
                self.collected.push(drawn);
            }
            self.call_back(machine, &event).await;
        }
    }

    /// Events kept for the result so far.
    pub(super) fn collected(&self) -> &[Arc<WorktrailEvent>] {
        &self.collected
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
