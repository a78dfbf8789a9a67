//! What changes of requests, and attempts at them, say in the audit log of their tenant.
//!
//! Invariant: every change that decides something, or who may decide, is said with who did it. What was asked and
//! answered is not: that is in the request and its response.

use llmteam_security::audit::{Actor, AuditEvent, AuditEventType, AuditSeverity};

use super::{
    error::HumanError,
    interaction::InteractionType,
    outcome::Happened,
    request::InteractionRequest,
    response::InteractionResponse,
    store::{Act, Change},
};

/// What `change` says.
pub(super) fn of_change(change: &Change) -> Option<AuditEvent> {
    let request = &change.request;
    if let Some(response) = &change.response {
        return Some(answered(request, response));
    }
    let event = match (&change.happened, &change.acted) {
        (Some(Happened::Escalated { level, assignee }), _) => {
            about(request, AuditEventType::ApprovalEscalated, "escalate")
                .with_severity(AuditSeverity::Warning)
                .with_detail("level", *level)
                .with_detail("assignee", assignee.to_string())
        }
        (Some(Happened::TimedOut), _) => {
            about(request, AuditEventType::ApprovalTimeout, "time_out")
                .with_severity(AuditSeverity::Warning)
                .failed("nobody answered in time")
        }
        (Some(Happened::Cancelled { reason }), _) => {
            about(request, AuditEventType::ApprovalCancelled, "withdraw")
                .with_detail("reason", reason.as_str())
        }
        (_, Some((act, by))) => {
            let (kind, action) = match act {
                Act::Claim => (AuditEventType::InteractionClaimed, "claim"),
                Act::Release => (AuditEventType::InteractionClaimed, "release"),
                Act::Delegate => (AuditEventType::InteractionDelegated, "delegate"),
            };
            about(request, kind, action)
                .by(Actor::user(by))
                .with_detail("assignee", request.assignee().map(ToString::to_string))
                .with_detail(
                    "claimed_by",
                    request.claimed_by.as_ref().map(ToString::to_string),
                )
        }
        _ => return None,
    };
    Some(event)
}

fn answered(request: &InteractionRequest, response: &InteractionResponse) -> AuditEvent {
    let decides = matches!(
        request.interaction_type,
        InteractionType::Approval | InteractionType::Review
    );
    let kind = match (decides, response.approved) {
        (true, Some(true)) => AuditEventType::ApprovalGranted,
        (_, Some(false)) => AuditEventType::ApprovalRejected,
        (true, None) => AuditEventType::ApprovalCompleted,
        (false, _) => AuditEventType::InteractionCompleted,
    };
    about(request, kind, "answer")
        .by(Actor::user(&response.responder_id))
        .with_detail("response", response.response_id.as_str())
}

/// Somebody was refused.
pub(super) fn refusal(request: &InteractionRequest, error: &HumanError) -> Option<AuditEvent> {
    let HumanError::NotAllowed {
        principal, reason, ..
    } = error
    else {
        return None;
    };
    let event = about(request, AuditEventType::AccessDenied, "access_denied")
        .with_severity(AuditSeverity::Warning)
        .by(Actor::user(principal))
        .failed(*reason);
    Some(event)
}

fn about(request: &InteractionRequest, kind: AuditEventType, action: &str) -> AuditEvent {
    AuditEvent::new(kind)
        .with_pipeline(request.segment.as_str())
        .with_run(request.run.as_str())
        .with_step(request.step.as_str())
        .with_action(action)
        .on("approval_request", request.request_id.as_str())
}
