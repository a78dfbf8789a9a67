//! Events of a step by name.

use super::{ErrorInfo, StepEvent};
use crate::runtime::StepContext;

/// Records what a handler does; made by [`StepContext::emitter`].
///
/// How the step itself fares (started, completed, failed, ..) is recorded by the run, as are the events
/// of `human_task`.
#[derive(Debug, Clone, Copy)]
pub struct EventEmitter<'a> {
    step: &'a StepContext,
}

impl<'a> EventEmitter<'a> {
    pub(crate) fn new(step: &'a StepContext) -> Self {
        Self { step }
    }

    /// Records any event of a handler.
    pub fn emit(self, event: StepEvent) {
        self.step.emit(event);
    }

    /// See [`StepEvent::action_started`].
    pub fn action_started(self, action_type: &str, endpoint: Option<&str>) {
        self.emit(StepEvent::action_started(action_type, endpoint));
    }

    /// See [`StepEvent::action_completed`].
    pub fn action_completed(self, action_type: &str, duration_ms: u64, status_code: Option<u16>) {
        self.emit(StepEvent::action_completed(
            action_type,
            duration_ms,
            status_code,
        ));
    }

    /// See [`StepEvent::action_failed`].
    pub fn action_failed(self, action_type: &str, error: ErrorInfo) {
        self.emit(StepEvent::action_failed(action_type, error));
    }

    /// See [`StepEvent::data_produced`].
    pub fn data_produced(self, output_port: &str, data_type: &str, size_bytes: Option<u64>) {
        self.emit(StepEvent::data_produced(output_port, data_type, size_bytes));
    }
}
