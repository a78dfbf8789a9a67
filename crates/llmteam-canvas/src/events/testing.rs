//! Events for tests.

use std::sync::Arc;

use llmteam_security::clock::Timestamp;
use llmteam_security::id::RunId;
use serde_json::Map;

use super::{EventId, EventSeverity, EventType, WorktrailEvent};

/// The instant `second` seconds after the epoch.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// Event number `number` of a run of segment `seg`, at that second.
pub(crate) fn event_of(
    tenant: &str,
    run: &str,
    number: u64,
    event_type: EventType,
    step: Option<&str>,
) -> WorktrailEvent {
    let run_id: RunId = run.parse().unwrap();
    WorktrailEvent {
        event_id: EventId {
            run_id: run_id.clone(),
            number,
        },
        event_type,
        timestamp: at(i64::try_from(number).unwrap()),
        tenant_id: tenant.parse().unwrap(),
        instance_id: run_id.clone().into(),
        run_id,
        segment_id: "seg".parse().unwrap(),
        step_id: step.map(|id| id.parse().unwrap()),
        step_type: step.map(|_| Arc::from("transform")),
        severity: EventSeverity::Info,
        correlation_id: None,
        parent_event_id: None,
        payload: Map::new(),
        error: None,
        duration_ms: None,
    }
}
