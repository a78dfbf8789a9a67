//! How one run is run.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::SegmentResult;
use crate::canvas::machine::RunSettings;
use crate::events::ErrorInfo;

type Done = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A callback about a step and a value.
pub type StepCallback = Arc<dyn Fn(String, Arc<Value>) -> Done + Send + Sync>;
/// A callback about a step and its error.
pub type ErrorCallback = Arc<dyn Fn(String, ErrorInfo) -> Done + Send + Sync>;
/// A callback about the result of a cancelled run.
pub type ResultCallback = Arc<dyn Fn(SegmentResult) -> Done + Send + Sync>;

/// Settings, callbacks and what the caller wants back. Errors in callbacks never change the run.
#[derive(Clone, Default)]
pub struct RunConfig {
    /// What decides how the run goes; recorded with its start.
    pub settings: RunSettings,
    /// Resolve `run` also when the run waits for a person.
    pub return_when_waiting: bool,
    /// Keep all events in the result.
    pub collect_events: bool,
    /// Called after a step started, with its input.
    pub on_step_start: Option<StepCallback>,
    /// Called after a step completed, with its output.
    pub on_step_complete: Option<StepCallback>,
    /// Called after a step failed.
    pub on_step_error: Option<ErrorCallback>,
    /// Called once after the run was cancelled.
    pub on_cancel: Option<ResultCallback>,
}

impl std::fmt::Debug for RunConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunConfig")
            .field("settings", &self.settings)
            .field("return_when_waiting", &self.return_when_waiting)
            .field("collect_events", &self.collect_events)
            .finish_non_exhaustive()
    }
}

impl RunConfig {
    pub(super) fn has_callbacks(&self) -> bool {
        self.on_step_start.is_some()
            || self.on_step_complete.is_some()
            || self.on_step_error.is_some()
    }
}
