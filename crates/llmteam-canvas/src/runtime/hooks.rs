//! What a host asked to be told of a run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::events::{EventType, WorktrailEvent};

pub(super) type Hook = Arc<dyn Fn(&WorktrailEvent) + Send + Sync>;

/// The hooks of one runtime.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) step_start: Option<Hook>,
    pub(super) step_complete: Option<Hook>,
    pub(super) step_error: Option<Hook>,
    pub(super) event: Option<Hook>,
}

impl Hooks {
    pub(super) fn any(&self) -> bool {
        [
            &self.step_start,
            &self.step_complete,
            &self.step_error,
            &self.event,
        ]
        .into_iter()
        .any(Option::is_some)
    }

    /// Calls the hook of the event's type, then the one for all events.
    pub(super) fn call(&self, event: &WorktrailEvent) {
        let of_type = match event.event_type {
            EventType::StepStarted => &self.step_start,
            EventType::StepCompleted => &self.step_complete,
            EventType::StepFailed => &self.step_error,
            _ => &None,
        };
        for hook in [of_type, &self.event].into_iter().flatten() {
            // A host's fault stays the host's: the run never sees it.
            if catch_unwind(AssertUnwindSafe(|| hook(event))).is_err() {
                tracing::error!(event = %event.event_id, "an event hook panicked");
            }
        }
    }
}
