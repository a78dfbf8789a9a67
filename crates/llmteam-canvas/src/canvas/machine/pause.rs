//! Pausing and going on.

use std::sync::Arc;

use super::state::{RunPhase, StepStatus};
use super::{Fold, Happening, RunSettings};
use crate::canvas::plan::StepIndex;

impl Fold<'_> {
    /// No step starts any more; pending retries wait for the resume.
    pub(super) fn drain(&mut self) {
        if !self.run.phase.is_running() {
            return;
        }
        self.run.phase = RunPhase::Draining;
        for at in 0..self.run.steps.len() {
            if matches!(self.run.steps[at].status, StepStatus::Retrying(_)) {
                self.make_retry_ready(StepIndex::new(at));
            }
        }
        self.advance();
    }

    /// Steps start again.
    pub(super) fn go_on(&mut self) {
        self.run.phase = RunPhase::Running;
        self.advance();
    }

    /// The snapshot is saved and nothing runs.
    pub(super) fn pause(&mut self, snapshot_id: &str) {
        self.run.times.paused_at = Some(self.run.times.last);
        let steps_completed = self.run.counts.completed;
        self.emit_top(None, || Happening::SegmentPaused {
            snapshot_id: snapshot_id.to_owned(),
            steps_completed,
        });
        self.run.phase = RunPhase::Paused {
            snapshot_id: snapshot_id.to_owned(),
        };
    }

    /// The run goes on; steps start once what happened meanwhile is applied.
    pub(super) fn resume(&mut self, snapshot_id: &str, settings: Option<&Arc<RunSettings>>) {
        self.count_pause();
        self.run.resumed_from = Some(snapshot_id.to_owned());
        if let Some(settings) = settings {
            self.run.settings = Some(Arc::clone(settings));
        }
        let steps_completed = self.run.counts.completed;
        self.emit_top(None, || Happening::SegmentResumed {
            snapshot_id: snapshot_id.to_owned(),
            steps_completed,
        });
        self.run.phase = RunPhase::Held;
    }

    /// Adds the pause that ends now to those before it.
    pub(super) fn count_pause(&mut self) {
        if let Some(since) = self.run.times.paused_at.take() {
            self.run.times.paused += self.run.times.last.since(since);
        }
    }
}
