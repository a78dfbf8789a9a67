//! Folding one record: is it possible here, and which rule does it set off.

use std::sync::Arc;

use serde_json::Value;

use super::state::{Output, RunPhase, StepStatus, micros_between};
use super::{
    AnswerFact, Command, Ending, Fact, Fold, Happening, JournalRecord, ReplayError, RunEvent,
    RunMachine,
};
use crate::canvas::plan::StepIndex;
use crate::events::StepEvent;
use crate::runtime::LocalState;

impl RunMachine {
    /// Whether a record can follow. Changes nothing.
    pub(super) fn check(&self, record: &JournalRecord) -> Result<(), ReplayError> {
        let kind = record.fact.kind();
        if record.first_event != self.run.next_event {
            return Err(ReplayError::EventNumber {
                kind,
                found: record.first_event,
                expected: self.run.next_event,
            });
        }
        self.check_phase(&record.fact, kind)?;
        let Some(step) = record.fact.step() else {
            return Ok(());
        };
        let Some(state) = self.run.steps.get(step.at()) else {
            return Err(ReplayError::UnknownStep {
                kind,
                step: step.at(),
                steps: self.run.steps.len(),
            });
        };
        let fits = match &record.fact {
            Fact::StepEnded {
                answer: Some(_), ..
            } => state.status == StepStatus::Suspended,
            Fact::RetryDue { .. } => matches!(state.status, StepStatus::Retrying(_)),
            Fact::Escalated { .. } => state.status == StepStatus::Suspended,
            Fact::Emitted { .. } => state.activation > 0,
            _ => state.status == StepStatus::Running,
        };
        if fits {
            return Ok(());
        }
        Err(ReplayError::WrongStep {
            kind,
            step: self.step_id(step).to_string(),
            status: state.status,
        })
    }

    fn check_phase(&self, fact: &Fact, kind: &'static str) -> Result<(), ReplayError> {
        let phase = &self.run.phase;
        let fits = match fact {
            Fact::Started { .. } => matches!(phase, RunPhase::New),
            Fact::Paused { .. } => matches!(phase, RunPhase::Draining),
            Fact::Resumed { .. } => matches!(phase, RunPhase::Paused { .. }),
            Fact::Continued => matches!(phase, RunPhase::Draining | RunPhase::Held),
            Fact::Cancelled { .. } => !matches!(phase, RunPhase::New | RunPhase::Ended(_)),
            _ => matches!(
                phase,
                RunPhase::Running | RunPhase::Draining | RunPhase::Held
            ),
        };
        if fits {
            Ok(())
        } else {
            Err(ReplayError::WrongPhase {
                kind,
                phase: phase.name(),
            })
        }
    }
}

impl RunPhase {
    fn name(&self) -> &'static str {
        match self {
            Self::New => "not started",
            Self::Running => "running",
            Self::Draining => "pausing",
            Self::Held => "resuming",
            Self::Paused { .. } => "paused",
            Self::Ended(_) => "over",
        }
    }
}

impl Fold<'_> {
    pub(super) fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Started {
                input,
                settings,
                no_handler,
            } => self.begin_run(input, settings, *no_handler),
            Fact::StepEnded {
                step,
                result,
                state,
                answer,
            } => self.step_ended(*step, result, state, answer.as_deref()),
            Fact::RetryDue { step } => self.next_attempt(*step),
            Fact::Intent { step, n } => {
                self.run.steps[step.at()].need_seldom().intent = Some(*n);
            }
            Fact::Asked {
                step,
                request_id,
                task_type,
                assignee,
                state,
            } => {
                self.suspend(*step, request_id, task_type, assignee.as_deref(), state);
            }
            Fact::Escalated {
                step,
                level,
                assignee,
            } => self.escalated(*step, *level, assignee),
            Fact::Emitted { step, event } => {
                self.emit_of(*step, || Happening::Emitted(StepEvent::clone(event)));
            }
            Fact::PauseRequested => self.drain(),
            Fact::Continued => self.go_on(),
            Fact::Paused { snapshot_id } => self.pause(snapshot_id),
            Fact::Resumed {
                snapshot_id,
                settings,
            } => self.resume(snapshot_id, settings.as_ref()),
            Fact::Cancelled { reason } => self.cancel_run(reason),
            Fact::TimedOut => self.time_out(),
        }
    }

    fn step_ended(
        &mut self,
        step: StepIndex,
        result: &Ending,
        local: &LocalState,
        answer: Option<&AnswerFact>,
    ) {
        if let Some(AnswerFact {
            request_id,
            completed_by: Some(by),
            duration_ms,
        }) = answer
        {
            self.emit_of(step, || Happening::HumanTaskCompleted {
                task_id: request_id.clone(),
                completed_by: by.clone(),
                duration_ms: *duration_ms,
            });
        }
        self.run.steps[step.at()].attempt_left(local);
        match result {
            Ending::Ok(value) => {
                self.leave(step, StepStatus::Completed);
                self.complete(step, value);
            }
            Ending::Err(error) => self.attempt_failed(step, error),
        }
        self.advance();
    }

    fn suspend(
        &mut self,
        step: StepIndex,
        request_id: &str,
        task_type: &str,
        assignee: Option<&str>,
        local: &LocalState,
    ) {
        self.leave(step, StepStatus::Suspended);
        self.run.suspended += 1;
        let state = &mut self.run.steps[step.at()];
        let seldom = state.need_seldom();
        seldom.request_id = Some(request_id.to_owned());
        seldom.local.clone_from(local);
        self.emit_of(step, || Happening::HumanTaskCreated {
            task_id: request_id.to_owned(),
            task_type: task_type.to_owned(),
            assignee: assignee.map(str::to_owned),
        });
        if let Some(assignee) = assignee {
            self.emit_of(step, || Happening::HumanTaskAssigned {
                task_id: request_id.to_owned(),
                assignee: assignee.to_owned(),
            });
        }
        self.advance();
    }

    fn escalated(&mut self, step: StepIndex, level: u32, assignee: &str) {
        let request = self.run.steps[step.at()].request_id();
        let task_id = request.unwrap_or_default().to_owned();
        self.emit_of(step, || Happening::HumanTaskEscalated {
            task_id,
            assignee: assignee.to_owned(),
            level,
        });
    }

    /// Moves a step out of a slot or a suspension into `status`.
    pub(super) fn leave(&mut self, step: StepIndex, status: StepStatus) {
        let state = &mut self.run.steps[step.at()];
        if state.status.holds_slot() {
            self.run.slots_used -= 1;
        } else if state.status == StepStatus::Suspended {
            self.run.suspended -= 1;
            if let Some(seldom) = state.seldom_mut() {
                seldom.request_id = None;
            }
        }
        state.status = status;
    }

    /// The step has a result: its edges are judged and it is settled.
    fn complete(&mut self, step: StepIndex, value: &Arc<Value>) {
        let output = self.shape(step, value);
        let state = &mut self.run.steps[step.at()];
        let (activation, started) = (state.activation, state.started_at);
        if !std::mem::replace(&mut state.completed, true) {
            self.run.counts.completed += 1;
        }
        let duration_ms = self.millis_since(started);
        self.emit_of(step, || Happening::StepCompleted {
            activation,
            output: output.clone(),
            duration_ms,
        });
        if self.run.settings().emit_data_events {
            self.emit_produced(step, &output);
        }
        if !self.plan.step(step).has_conditions {
            self.deliver_all(step, &output);
            self.run.steps[step.at()].output = Some(output);
            self.settled(step);
            return;
        }
        match self.judge(step, &output, false) {
            Ok(judged) => {
                self.run.steps[step.at()].output = Some(output);
                self.deliver(step, judged);
                self.settled(step);
            }
            Err(fault) => {
                self.run.steps[step.at()].output = Some(output);
                self.fail_run(fault, Some(step));
            }
        }
    }

    fn emit_produced(&mut self, step: StepIndex, output: &Output) {
        let plan = self.plan;
        for port in &plan.step(step).spec.outputs {
            if let Some(value) = self.port_value(step, output, port) {
                self.emit_of(step, || Happening::DataProduced {
                    output_port: port.clone(),
                    value,
                });
            }
        }
    }

    /// Emits an event of a step; it belongs to the step's `step.started`.
    pub(super) fn emit_of(&mut self, step: StepIndex, what: impl FnOnce() -> Happening) {
        let parent = self.run.steps[step.at()].started_event;
        self.emit(Some(step), Some(parent), what);
    }

    /// Emits an event that belongs to `segment.started`.
    pub(super) fn emit_top(&mut self, step: Option<StepIndex>, what: impl FnOnce() -> Happening) {
        self.emit(step, Some(1), what);
    }

    /// Numbers an event, and keeps it if anybody looks.
    pub(super) fn emit(
        &mut self,
        step: Option<StepIndex>,
        parent: Option<u64>,
        what: impl FnOnce() -> Happening,
    ) {
        let number = self.run.next_event;
        self.run.next_event += 1;
        if self.out.wants_events {
            self.out.events.push(RunEvent {
                number,
                time: self.run.times.last,
                step,
                parent,
                what: what(),
            });
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        self.out.commands.push(command);
    }

    pub(super) fn millis_since(&self, from: llmteam_security::clock::Timestamp) -> u64 {
        micros_between(from, self.run.times.last) / 1_000
    }
}
