//! What an answer to a `human_task` means (H-04).

use llmteam_workflow::human::{Answer, InteractionResponse, InteractionType};
use serde_json::{Map, Value, json};

use crate::canvas::handler::{StepError, StepOutput};

/// An answer, whoever gave it.
pub(super) struct Given<'a> {
    approved: Option<bool>,
    selected_option: Option<&'a str>,
    input_data: &'a Map<String, Value>,
    review_changes: &'a Map<String, Value>,
    responder: Option<&'a str>,
    comment: &'a str,
    reason: &'a str,
}

impl<'a> From<&'a InteractionResponse> for Given<'a> {
    fn from(response: &'a InteractionResponse) -> Self {
        Self {
            approved: response.approved,
            selected_option: response.selected_option.as_deref(),
            input_data: &response.input_data,
            review_changes: &response.review_changes,
            responder: Some(response.responder_id.as_str()),
            comment: &response.comment,
            reason: &response.reason,
        }
    }
}

/// An answer that nobody gave: the one a segment falls back to.
impl<'a> From<&'a Answer> for Given<'a> {
    fn from(answer: &'a Answer) -> Self {
        Self {
            approved: answer.approved,
            selected_option: answer.selected_option.as_deref(),
            input_data: &answer.input_data,
            review_changes: &answer.review_changes,
            responder: None,
            comment: &answer.comment,
            reason: &answer.reason,
        }
    }
}

impl Given<'_> {
    /// The port the answer goes to, and what it puts there (H-04).
    pub(super) fn output(
        &self,
        kind: InteractionType,
        subject: &Value,
    ) -> Result<StepOutput, StepError> {
        let is_data = kind == InteractionType::Input && !self.input_data.is_empty();
        let changes = if self.review_changes.is_empty() {
            self.input_data
        } else {
            self.review_changes
        };
        let (port, mut value) = match self.approved {
            Some(false) => (
                "rejected",
                json!({
                    "data": subject,
                    "response_data": self.input_data,
                    "responder": self.responder,
                    "reason": self.reason,
                    "comment": self.comment,
                }),
            ),
            None if !is_data && !changes.is_empty() => (
                "modified",
                json!({
                    "data": changes,
                    "original_data": subject,
                    "responder": self.responder,
                    "comment": self.comment,
                }),
            ),
            None if !is_data && self.selected_option.is_none() => {
                return Err(
                    StepError::new("InvalidResponse", "the answer decides nothing").fatal(),
                );
            }
            Some(true) | None => (
                "approved",
                json!({
                    "data": subject,
                    "response_data": self.input_data,
                    "responder": self.responder,
                    "comment": self.comment,
                }),
            ),
        };
        if let Some(option) = self.selected_option {
            value["selected_option"] = option.into();
        }
        Ok(StepOutput::on_port(port, value))
    }
}
