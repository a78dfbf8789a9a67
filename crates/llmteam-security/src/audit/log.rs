//! The events that are recorded most often, each with its fixed values.
//!
//! Invariant: each method records exactly one event, in the trail's strict lane.

use serde_json::{Map, Value};

use super::{
    error::AuditError,
    event::{Actor, AuditEvent},
    event_type::{AuditEventType, AuditSeverity},
    record::AuditRecord,
    trail::AuditTrail,
};

impl AuditTrail {
    /// A user started a run of a pipeline.
    pub async fn log_pipeline_started(
        &self,
        pipeline_id: &str,
        run_id: &str,
        actor: Actor,
        input_summary: Option<&str>,
    ) -> Result<AuditRecord, AuditError> {
        let event = of_pipeline(
            AuditEventType::PipelineStarted,
            pipeline_id,
            run_id,
            "start",
        );
        let event = with_summary(event.by(actor), "input_summary", input_summary);
        self.log(event).await
    }

    /// A run of a pipeline was completed.
    pub async fn log_pipeline_completed(
        &self,
        pipeline_id: &str,
        run_id: &str,
        output_summary: Option<&str>,
    ) -> Result<AuditRecord, AuditError> {
        let kind = AuditEventType::PipelineCompleted;
        let event = of_pipeline(kind, pipeline_id, run_id, "complete");
        self.log(with_summary(event, "output_summary", output_summary))
            .await
    }

    /// A run of a pipeline failed.
    pub async fn log_pipeline_failed(
        &self,
        pipeline_id: &str,
        run_id: &str,
        error: &str,
    ) -> Result<AuditRecord, AuditError> {
        let event = of_pipeline(AuditEventType::PipelineFailed, pipeline_id, run_id, "fail")
            .with_severity(AuditSeverity::Error)
            .failed(error);
        self.log(event).await
    }

    /// Somebody was refused.
    pub async fn log_access_denied(
        &self,
        actor: Actor,
        resource_type: &str,
        resource_id: &str,
        reason: &str,
    ) -> Result<AuditRecord, AuditError> {
        let event = AuditEvent::new(AuditEventType::AccessDenied)
            .with_severity(AuditSeverity::Warning)
            .by(actor)
            .with_action("access_denied")
            .on(resource_type, resource_id)
            .failed(reason);
        self.log(event).await
    }

    /// Somebody approved or rejected.
    pub async fn log_approval(
        &self,
        approved: bool,
        approver: Actor,
        request_id: &str,
        reason: &str,
    ) -> Result<AuditRecord, AuditError> {
        let event = if approved {
            AuditEvent::new(AuditEventType::ApprovalGranted).with_action("approve")
        } else {
            AuditEvent::new(AuditEventType::ApprovalRejected)
                .with_action("reject")
                .with_severity(AuditSeverity::Warning)
                .failed("")
        };
        let mut event = event.by(approver).on("approval_request", request_id);
        if !reason.is_empty() {
            event = event.with_detail("reason", reason);
        }
        self.log(event).await
    }

    /// Somebody changed a setting.
    pub async fn log_config_change(
        &self,
        actor: Actor,
        resource_type: &str,
        resource_id: &str,
        old_value: Map<String, Value>,
        new_value: Map<String, Value>,
    ) -> Result<AuditRecord, AuditError> {
        let event = AuditEvent::new(AuditEventType::ConfigChanged)
            .by(actor)
            .with_action("update")
            .on(resource_type, resource_id)
            .with_old_value(old_value)
            .with_new_value(new_value);
        self.log(event).await
    }
}

fn of_pipeline(
    event_type: AuditEventType,
    pipeline_id: &str,
    run_id: &str,
    action: &str,
) -> AuditEvent {
    AuditEvent::new(event_type)
        .with_pipeline(pipeline_id)
        .with_run(run_id)
        .with_action(action)
        .on("pipeline", pipeline_id)
}

fn with_summary(event: AuditEvent, key: &str, summary: Option<&str>) -> AuditEvent {
    match summary {
        Some(summary) => event.with_new_value(Map::from_iter([(key.to_owned(), summary.into())])),
        None => event,
    }
}
