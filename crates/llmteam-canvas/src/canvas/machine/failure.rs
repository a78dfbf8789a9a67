//! Failures: retries, error ports, absorption by joins, and stopping the run.

use std::sync::Arc;

use serde_json::json;

use super::state::{End, Output, RunPhase, StepStatus};
use super::{Command, Fold, Happening};
use crate::canvas::handler::StepError;
use crate::canvas::plan::StepIndex;
use crate::runtime::PortName;

impl Fold<'_> {
    /// An attempt failed: it is retried, or the failure is final.
    pub(super) fn attempt_failed(&mut self, step: StepIndex, error: &StepError) {
        let attempt = self.run.steps[step.at()].attempt;
        let max_attempts = self.max_attempts(step);
        if error.recoverable && attempt < max_attempts {
            self.emit_of(step, || Happening::StepRetrying {
                attempt,
                max_attempts,
                error: error.clone(),
            });
            if self.run.phase == RunPhase::Draining {
                self.make_retry_ready(step);
            } else {
                let due = self
                    .run
                    .times
                    .last
                    .saturating_add(self.run.settings().delay_after(attempt));
                self.run.steps[step.at()].status = StepStatus::Retrying(due);
                self.command(Command::Retry(step, due));
            }
            return;
        }
        self.leave(step, StepStatus::Failed);
        self.fail_step(step, error);
    }

    /// Attempts that a step may make: one and its retries.
    fn max_attempts(&self, step: StepIndex) -> u32 {
        let retries = self
            .plan
            .step(step)
            .retries
            .or(self.run.settings().max_retries)
            .unwrap_or(self.plan.definition.params.max_retries);
        retries.saturating_add(1)
    }

    /// The failure is final: its error port takes it, a join absorbs it, or the run fails.
    fn fail_step(&mut self, step: StepIndex, error: &StepError) {
        let planned = self.plan.step(step);
        let mut fault = None;
        if planned.has_error_port {
            let output = Output::Single(PortName::from("error"), Arc::new(error_info(error)));
            match self.judge(step, &output, true) {
                Ok(judged) if judged.iter().any(|(_, value)| value.is_some()) => {
                    self.run.counts.failed += 1;
                    self.emit_failed(step, error, true, false);
                    self.run.steps[step.at()].output = Some(output);
                    self.deliver(step, judged);
                    self.settled(step);
                    return;
                }
                Ok(_) => {}
                Err(condition) => fault = Some(condition),
            }
        }
        if fault.is_none() && !planned.absorbed_by.is_empty() {
            self.run.counts.failed += 1;
            self.emit_failed(step, error, true, false);
            for join in &planned.absorbed_by {
                let state = &mut self.run.steps[join.at()];
                state.need_seldom().absorbed = Some(error.clone());
            }
            self.kill_edges(step);
            self.settled(step);
            return;
        }
        self.emit_failed(step, error, false, false);
        self.fail_run(fault.unwrap_or_else(|| error.clone()), Some(step));
    }

    fn emit_failed(&mut self, step: StepIndex, error: &StepError, handled: bool, forced: bool) {
        let state = &self.run.steps[step.at()];
        let activation = state.activation;
        let duration_ms = self.millis_since(state.started_at);
        self.emit_of(step, || Happening::StepFailed {
            activation,
            error: error.clone(),
            handled,
            forced,
            duration_ms,
        });
    }

    /// The run fails at once; what is open is closed first.
    pub(super) fn fail_run(&mut self, error: StepError, step: Option<StepIndex>) {
        self.close_open_steps();
        let duration_ms = self.run.times.wall_ms();
        self.emit_top(None, || Happening::SegmentFailed {
            error: error.clone(),
            step,
            duration_ms,
        });
        self.end(End::Failed { error, step });
    }

    /// Cancels every open step, in declaration order. Returns the first one.
    fn close_open_steps(&mut self) -> Option<StepIndex> {
        let mut first = None;
        for at in 0..self.run.steps.len() {
            let step = StepIndex::new(at);
            if self.run.steps[at].status.is_open() {
                first = first.or(Some(step));
                self.stop_attempt(step);
                self.leave(step, StepStatus::Failed);
                self.emit_failed(step, &StepError::cancelled(), false, true);
            }
        }
        first
    }

    /// The run was cancelled.
    pub(super) fn cancel_run(&mut self, reason: &str) {
        self.count_pause();
        let step = self.close_open_steps();
        let duration_ms = self.run.times.wall_ms();
        self.emit_top(None, || Happening::SegmentCancelled {
            reason: reason.to_owned(),
            duration_ms,
        });
        self.end(End::Cancelled { step });
    }

    /// The segment's time is used up.
    pub(super) fn time_out(&mut self) {
        let limit = self
            .run
            .settings()
            .timeout
            .or(self.plan.timeout)
            .unwrap_or_default();
        let error = StepError::new(
            "TimeoutError",
            format!(
                "the segment timed out after {} s of running",
                limit.as_secs_f64()
            ),
        )
        .with_code("SEGMENT_TIMEOUT");
        let step = self.close_open_steps();
        let duration_ms = self.run.times.wall_ms();
        self.emit_top(None, || Happening::SegmentFailed {
            error: error.clone(),
            step: None,
            duration_ms,
        });
        self.end(End::TimedOut { error, step });
    }

    /// Nothing happens to the run any more.
    pub(super) fn end(&mut self, end: End) {
        self.run.times.ended = Some(self.run.times.last);
        self.run.phase = RunPhase::Ended(end);
        self.run.undecided.clear();
        self.run.ended_loops.clear();
        self.run.ready.clear();
        self.command(Command::Finish);
    }
}

/// The value on an `error` port: the five keys of `ErrorInfo`.
fn error_info(error: &StepError) -> serde_json::Value {
    json!({
        "error_type": error.error_type,
        "error_message": error.error_message,
        "error_code": error.error_code,
        "stack_trace": null,
        "recoverable": error.recoverable,
    })
}
