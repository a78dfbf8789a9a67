//! The steps of a run: here their attempts start, and here what comes of them is folded.
//!
//! Invariant: of what has arrived, the first in declaration order is folded first, and the end of an attempt
//! that is not the step's present one changes nothing.

use std::sync::Arc;

use llmteam_workflow::human::{HumanEvent, NewInteraction};

use super::attempts::{AttemptId, Finished};
use super::drive::{DriveError, Driver};
use crate::canvas::handler::{StepError, StepOutcome};
use crate::canvas::machine::{AnswerFact, Ending, Fact, StepStatus};
use crate::canvas::plan::StepIndex;
use crate::runtime::{Activation, LocalState, StepContext};

/// What has come in from outside the scheduler.
pub(super) enum Arrival {
    Finished(Finished),
    Human(StepIndex, Box<HumanEvent>),
}

/// A step that wants to ask a person.
pub(super) type Question = (StepIndex, Arc<Activation>, Box<NewInteraction>);

impl Arrival {
    fn step(&self) -> StepIndex {
        match self {
            Self::Finished(it) => it.id.step,
            Self::Human(step, _) => *step,
        }
    }
}

impl Driver {
    pub(super) fn start(&mut self, step: StepIndex) {
        if self.machine.step_status(step) != StepStatus::Running {
            return;
        }
        if self.attempts.is_leaving(step) {
            self.blocked.insert(step);
            return;
        }
        let (activation, attempt) = self.machine.step_attempt(step);
        let Some(handler) = self.segment.handler(step).cloned() else {
            return;
        };
        let shared = self.activation(self.machine.step_state(step));
        let Some(context) = self.context(step, Arc::clone(&shared)) else {
            return;
        };
        let deadline = self
            .machine
            .plan()
            .step(step)
            .timeout
            .map(|limit| self.parts.clock.now().saturating_add(limit));
        let id = AttemptId {
            step,
            activation,
            attempt,
        };
        let attempt = handler.run(context);
        let done = self
            .attempts
            .start(id, deadline, shared, &self.runtime, attempt);
        self.arrived(done);
    }

    pub(super) fn context(&self, step: StepIndex, shared: Arc<Activation>) -> Option<StepContext> {
        Some(StepContext::new(
            Arc::clone(&self.shared),
            step.at(),
            self.machine.step_attempt(step),
            self.machine.step_input(step)?.clone(),
            shared,
        ))
    }

    /// Shared state for an attempt: what the one before it left, or new.
    fn activation(&mut self, state: LocalState) -> Arc<Activation> {
        let fresh = Activation::with_state(state);
        match self.spare.take() {
            Some(mut spare) => {
                // Nobody else holds what is spare.
                if let Some(own) = Arc::get_mut(&mut spare) {
                    *own = fresh;
                }
                spare
            }
            None => Arc::new(fresh),
        }
    }

    /// The step-local state that an attempt has left. What it shared with its handler serves again.
    fn left_by(&mut self, mut shared: Arc<Activation>) -> LocalState {
        match Arc::get_mut(&mut shared) {
            Some(own) => {
                let state = own.take_state();
                self.spare = Some(shared);
                state
            }
            // The handler keeps its context beyond its end.
            None => shared.state(),
        }
    }

    /// Notes the end of an attempt, to be folded when the scheduler looks at what has arrived.
    pub(super) fn arrived(&mut self, finished: Option<Finished>) {
        self.arrivals.extend(finished.map(Arrival::Finished));
    }

    /// Takes in the attempts that are over, and starts those that waited for them to be gone.
    pub(super) fn take_finished(&mut self) {
        while let Some(finished) = self.attempts.next_finished() {
            self.arrived(Some(finished));
        }
        self.unblock();
    }

    /// Starts the attempts whose predecessor is gone by now.
    fn unblock(&mut self) {
        if self.blocked.is_empty() {
            return;
        }
        let free: Vec<StepIndex> = self
            .blocked
            .iter()
            .copied()
            .filter(|step| !self.attempts.is_leaving(*step))
            .collect();
        for step in free {
            self.blocked.remove(&step);
            self.start(step);
        }
    }

    /// Puts what has arrived in declaration order, the first last. False: nothing has.
    pub(super) fn arrange_arrivals(&mut self) -> Result<bool, DriveError> {
        if self.arrivals.is_empty() {
            return Ok(false);
        }
        // A step's events came before its result; what arrived in between is taken in first.
        self.listen()?;
        self.arrivals.sort_by_key(Arrival::step);
        self.arrivals.reverse();
        Ok(true)
    }

    /// Folds what has arrived, up to a step that asks a person: that must be done first.
    pub(super) fn fold_arrivals(&mut self) -> Result<Option<Question>, DriveError> {
        while let Some(arrival) = self.arrivals.pop() {
            match arrival {
                Arrival::Finished(it) => {
                    if let Some(question) = self.finished(it)? {
                        return Ok(Some(question));
                    }
                }
                Arrival::Human(step, event) => self.human(step, &event)?,
            }
        }
        Ok(None)
    }

    /// Folds how an attempt ended. A question is handed back: it must be asked first.
    fn finished(&mut self, it: Finished) -> Result<Option<Question>, DriveError> {
        let AttemptId {
            step,
            activation,
            attempt,
        } = it.id;
        let present = self.machine.step_attempt(step) == (activation, attempt)
            && self.machine.step_status(step) == StepStatus::Running;
        if !present {
            return Ok(None);
        }
        let result = match it.result {
            Ok(StepOutcome::Output(output)) => within_limit(output.0),
            Ok(StepOutcome::Ask(question)) => return Ok(Some((step, it.shared, question))),
            Err(error) => Ending::Err(Box::new(error)),
        };
        let state = self.left_by(it.shared);
        self.fold(Fact::StepEnded {
            step,
            result,
            state,
            answer: None,
        })?;
        Ok(None)
    }

    /// Asks a person; the step is suspended once the inbox has the question.
    pub(super) async fn ask(
        &mut self,
        (step, shared, question): Question,
    ) -> Result<(), DriveError> {
        let task_type = question.interaction_type.to_string();
        match self.parts.interactions.request(*question).await {
            Ok(request) => self.fold(Fact::Asked {
                step,
                request_id: request.request_id.to_string(),
                task_type,
                assignee: request.assignee().map(ToString::to_string),
                state: shared.state(),
            }),
            Err(error) => {
                let error = StepError::new("InteractionError", error.to_string());
                self.end_step(step, Ending::Err(Box::new(error)), Some(&shared), None)
            }
        }
    }

    pub(super) fn end_step(
        &mut self,
        step: StepIndex,
        result: Ending,
        shared: Option<&Activation>,
        answer: Option<AnswerFact>,
    ) -> Result<(), DriveError> {
        let state = shared.map_or_else(|| self.machine.step_state(step), Activation::state);
        self.fold(Fact::StepEnded {
            step,
            result,
            state,
            answer: answer.map(Box::new),
        })
    }
}

/// A result, unless it is larger than a step's result may be.
pub(super) fn within_limit(value: Arc<serde_json::Value>) -> Ending {
    match super::size::exceeds(&value, super::size::MAX_RESULT_BYTES) {
        false => Ending::Ok(value),
        true => Ending::Err(Box::new(
            StepError::new(
                "OutputTooLarge",
                format!(
                    "the result is larger than {} bytes",
                    super::size::MAX_RESULT_BYTES
                ),
            )
            .with_code("OUTPUT_TOO_LARGE")
            .fatal(),
        )),
    }
}
