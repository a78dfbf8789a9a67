//! What people did to the suspended steps of a run.

use llmteam_workflow::human::{HumanEvent, HumanOutcome};

use super::drive::{DriveError, Driver};
use super::steps::Arrival;
use crate::canvas::handler::{StepError, StepHandler, StepOutput};
use crate::canvas::machine::{AnswerFact, Ending, Fact};
use crate::canvas::plan::StepIndex;

impl Driver {
    /// Withdraws a request whose step was cancelled.
    pub(super) async fn withdraw(&self, request: &str) {
        let tenant = self.runtime.tenant_id();
        let withdrawn = match request.parse() {
            Ok(id) => self
                .parts
                .interactions
                .cancel(tenant, &id, "the step was cancelled")
                .await
                .map(drop),
            Err(_) => Ok(()),
        };
        if let Err(error) = withdrawn {
            tracing::warn!(%error, request, "an open request could not be withdrawn");
        }
    }

    /// What people did. While the run is pausing nobody asks: it is kept for the resume.
    pub(super) async fn poll_people(&mut self) {
        let events = self
            .parts
            .interactions
            .poll(self.runtime.tenant_id(), self.runtime.run_id());
        match events.await {
            Ok(events) => {
                for event in events {
                    match self
                        .machine
                        .step_of_request(event.outcome.request_id().as_str())
                    {
                        Some(step) => {
                            self.arrivals.push(Arrival::Human(step, Box::new(event)));
                        }
                        None => self.used.push(event.id),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the inbox could not be read; it is tried again"),
        }
    }

    /// Folds an answer, an escalation or the end of waiting.
    pub(super) fn human(&mut self, step: StepIndex, event: &HumanEvent) -> Result<(), DriveError> {
        let outcome = &event.outcome;
        let request_id = outcome.request_id().to_string();
        self.used.push(event.id);
        if self.machine.step_of_request(&request_id) != Some(step) {
            return Ok(());
        }
        match outcome {
            HumanOutcome::Escalated {
                level, assignee, ..
            } => self.fold(Fact::Escalated {
                step,
                level: *level,
                assignee: assignee.to_string(),
            }),
            HumanOutcome::Answered { request, response } => {
                let duration = response.response_time.since(request.created_at);
                let answer = AnswerFact {
                    request_id,
                    completed_by: Some(response.responder_id.to_string()),
                    duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                };
                let result =
                    self.with_handler(step, |handler, context| handler.answered(context, response));
                self.end_step(step, result, None, Some(answer))
            }
            HumanOutcome::TimedOut { .. } => {
                let answer = AnswerFact {
                    request_id,
                    completed_by: None,
                    duration_ms: 0,
                };
                let result = self.with_handler(step, StepHandler::unanswered);
                self.end_step(step, result, None, Some(answer))
            }
            HumanOutcome::Cancelled { reason, .. } => {
                let answer = AnswerFact {
                    request_id,
                    completed_by: None,
                    duration_ms: 0,
                };
                let error = StepError::new(
                    "CancelledError",
                    format!("the request was withdrawn: {reason}"),
                )
                .with_code("CANCELLED")
                .fatal();
                self.end_step(step, Ending::Err(Box::new(error)), None, Some(answer))
            }
        }
    }

    /// Lets the step's handler turn what a person did into a result.
    fn with_handler(
        &self,
        step: StepIndex,
        make: impl FnOnce(
            &dyn StepHandler,
            &crate::runtime::StepContext,
        ) -> Result<StepOutput, StepError>,
    ) -> Ending {
        let made = match (
            self.segment.handler(step),
            self.context(step, std::sync::Arc::default()),
        ) {
            (Some(handler), Some(context)) => make(&**handler, &context),
            _ => Err(
                StepError::new("StepTypeNotFoundError", "the step's handler is gone")
                    .with_code("NO_HANDLER")
                    .fatal(),
            ),
        };
        match made {
            Ok(output) => super::steps::within_limit(output.0),
            Err(error) => Ending::Err(Box::new(error)),
        }
    }
}
