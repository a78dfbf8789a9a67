//! What a run's records say in the audit log of its tenant.
//!
//! Invariant: how a run begins, stops and ends, whom it asks, which calls it announces and what fails is said, each
//! once and in the commit that keeps the record. What a step received or made is not: that is in the journal.
//! This module does not know how the log is kept: see `llmteam_security::audit`.

use llmteam_security::audit::{Actor, AuditEvent, AuditEventType, AuditSeverity};

use crate::canvas::handler::StepError;
use crate::canvas::machine::{Ending, Fact, JournalRecord, RunMachine, RunPhase, StepStatus};
use crate::canvas::plan::StepIndex;

use super::SegmentStatus;
use super::result::status_of;

/// What `records`, the last of which `machine` has just folded, say. `actor` is who started or resumed the run here.
pub(super) fn events(
    machine: &RunMachine,
    records: &[JournalRecord],
    actor: &Actor,
) -> Vec<AuditEvent> {
    let mut events: Vec<AuditEvent> = records
        .iter()
        .filter_map(|record| of_fact(machine, &record.fact, actor))
        .collect();
    events.extend(of_end(machine));
    events
}

fn of_fact(machine: &RunMachine, fact: &Fact, actor: &Actor) -> Option<AuditEvent> {
    use AuditEventType as Type;
    let event = match fact {
        Fact::Started { .. } => of_run(machine, Type::PipelineStarted, "start")
            .by(actor.clone())
            .with_detail("definition", machine.plan().digest())
            .with_detail("instance", machine.identity().instance_id.as_str()),
        Fact::Resumed { snapshot_id, .. } => of_run(machine, Type::PipelineResumed, "resume")
            .by(actor.clone())
            .with_detail("snapshot", snapshot_id.as_str()),
        Fact::Paused { snapshot_id } => of_run(machine, Type::PipelinePaused, "pause")
            .with_detail("snapshot", snapshot_id.as_str()),
        Fact::Intent { step, n } => {
            of_step(machine, *step, Type::ActionInvoked, "call").with_detail("call", *n)
        }
        Fact::Asked {
            step,
            request_id,
            task_type,
            assignee,
            ..
        } => of_step(machine, *step, Type::ApprovalRequested, "ask")
            .on("approval_request", request_id)
            .with_detail("kind", task_type.as_str())
            .with_detail("assignee", assignee.clone()),
        Fact::StepEnded {
            step,
            result: Ending::Err(error),
            ..
        } => failed_step(machine, *step, error)?,
        _ => return None,
    };
    Some(event)
}

/// A step that failed for good; none while it is tried again.
fn failed_step(machine: &RunMachine, step: StepIndex, error: &StepError) -> Option<AuditEvent> {
    let status = machine.step_status(step);
    if matches!(status, StepStatus::Retrying(_) | StepStatus::RetryReady) {
        return None;
    }
    let is_agent = machine.plan().step(step).spec().step_type == "llm_agent";
    let kind = if is_agent {
        AuditEventType::AgentFailed
    } else {
        AuditEventType::ActionFailed
    };
    let event = of_step(machine, step, kind, "run")
        .with_severity(AuditSeverity::Error)
        .with_detail("error_type", error.error_type.as_str())
        .with_detail("attempt", machine.step_attempt(step).1);
    Some(match error.error_code.as_deref() {
        Some("OUTCOME_UNKNOWN") => event.outcome_unknown(),
        _ => event.failed(&error.error_message),
    })
}

/// How the run ended, if it did.
fn of_end(machine: &RunMachine) -> Option<AuditEvent> {
    use AuditEventType as Type;
    if !matches!(machine.phase(), RunPhase::Ended(_)) {
        return None;
    }
    let (status, _, error) = status_of(machine);
    let event = match status {
        SegmentStatus::Completed => of_run(machine, Type::PipelineCompleted, "complete"),
        SegmentStatus::Cancelled => of_run(machine, Type::PipelineCancelled, "cancel"),
        _ => of_run(machine, Type::PipelineFailed, "fail")
            .with_severity(AuditSeverity::Error)
            .failed(error.map_or(String::new(), |it| it.error_message.clone())),
    };
    let counts = machine.counts();
    let event = event
        .with_detail("status", status.as_str())
        .with_detail("steps_completed", counts.completed)
        .with_detail("steps_failed", counts.failed);
    Some(event)
}

fn of_run(machine: &RunMachine, kind: AuditEventType, action: &str) -> AuditEvent {
    let identity = machine.identity();
    AuditEvent::new(kind)
        .with_pipeline(identity.segment_id.as_str())
        .with_run(identity.run_id.as_str())
        .with_action(action)
        .on("pipeline", identity.segment_id.as_str())
}

fn of_step(
    machine: &RunMachine,
    step: StepIndex,
    kind: AuditEventType,
    action: &str,
) -> AuditEvent {
    let step_id = machine.step_id(step).as_str();
    of_run(machine, kind, action)
        .with_step(step_id)
        .on("step", step_id)
}
