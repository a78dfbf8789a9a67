//! The end of a run: when it is complete, its output, its counts and times.

use std::sync::Arc;
use std::time::Duration;

use llmteam_security::clock::Timestamp;
use serde_json::{Map, Value};

use super::state::{End, RunPhase, StepStatus, Times};
use super::{Command, Fold, Happening, RunMachine};
use crate::canvas::plan::StepIndex;

/// How many steps did what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct steps that completed.
    pub completed: u32,
    /// Failures that were handled or absorbed.
    pub failed: u32,
    /// Skip events.
    pub skipped: u32,
}

impl Times {
    /// Wall time without pauses.
    pub(super) fn wall(&self) -> Duration {
        let until = self.ended.or(self.paused_at).unwrap_or(self.last);
        until.since(self.started).saturating_sub(self.paused)
    }

    pub(super) fn wall_ms(&self) -> u64 {
        u64::try_from(self.wall().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Fold<'_> {
    /// Completes the run when nothing is left to do, or says that a pausing run has drained.
    pub(super) fn finish_if_done(&mut self) {
        let run = &*self.run;
        if run.slots_used > 0 {
            return;
        }
        let nothing_left = run.suspended == 0 && run.ready.is_empty();
        match run.phase {
            RunPhase::Running | RunPhase::Draining | RunPhase::Held if nothing_left => {
                self.complete_run();
            }
            RunPhase::Draining => self.command(Command::Snapshot),
            _ => {}
        }
    }

    fn complete_run(&mut self) {
        let output = self.run_output();
        let duration_ms = self.run.times.wall_ms();
        self.emit_top(None, || Happening::SegmentCompleted {
            output: Arc::clone(&output),
            duration_ms,
        });
        self.end(End::Completed { output });
    }

    /// The output object of the one terminal step, or of several by step id.
    fn run_output(&self) -> Arc<Value> {
        let mut terminal = self
            .run
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.status == StepStatus::Completed && !step.delivered)
            .filter_map(|(at, step)| Some((StepIndex::new(at), step.output.as_ref()?)));
        let Some((first, output)) = terminal.next() else {
            return Arc::new(Value::Object(Map::new()));
        };
        let Some(second) = terminal.next() else {
            return output.object();
        };
        let by_step: Map<String, Value> = [(first, output), second]
            .into_iter()
            .chain(terminal)
            .map(|(at, output)| {
                (
                    self.plan.step(at).spec.step_id.to_string(),
                    Value::clone(&output.object()),
                )
            })
            .collect();
        Arc::new(Value::Object(by_step))
    }
}

impl RunMachine {
    /// How many steps did what.
    pub fn counts(&self) -> Counts {
        self.run.counts
    }

    /// When the run began.
    pub fn started_at(&self) -> Timestamp {
        self.run.times.started
    }

    /// When the run ended or was paused.
    pub fn stopped_at(&self) -> Option<Timestamp> {
        self.run.times.ended.or(self.run.times.paused_at)
    }

    /// Wall time without pauses.
    pub fn duration(&self) -> Duration {
        self.run.times.wall()
    }

    /// The step a person would look at: open, failing, or closed by the end.
    pub fn current_step(&self) -> Option<StepIndex> {
        match &self.run.phase {
            RunPhase::Ended(End::Completed { .. }) => None,
            RunPhase::Ended(
                End::Failed { step, .. } | End::Cancelled { step } | End::TimedOut { step, .. },
            ) => *step,
            _ => self
                .run
                .steps
                .iter()
                .position(|step| step.status.holds_slot() || step.status == StepStatus::Suspended)
                .map(StepIndex::new),
        }
    }
}
