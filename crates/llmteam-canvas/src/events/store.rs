//! Where events are read from.
//!
//! Invariant: every read names the tenant and sees that tenant's events only.

use std::sync::Arc;

use async_trait::async_trait;
use llmteam_security::clock::Timestamp;
use llmteam_security::id::{RunId, SegmentId, StepId, TenantId};

use super::{EventStoreError, EventType, WorktrailEvent};

/// Which events of a tenant are wanted; what is not set does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Of this run.
    pub run_id: Option<RunId>,
    /// Of this segment.
    pub segment_id: Option<SegmentId>,
    /// Of this step.
    pub step_id: Option<StepId>,
    /// Of this type.
    pub event_type: Option<EventType>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// At this time or earlier.
    pub to: Option<Timestamp>,
    /// With an error.
    pub errors_only: bool,
    /// With a greater number in its run.
    pub after: Option<u64>,
}

impl EventQuery {
    /// All events of a run.
    pub fn of_run(run_id: &RunId) -> Self {
        Self {
            run_id: Some(run_id.clone()),
            ..Self::default()
        }
    }

    /// Whether an event is wanted.
    pub fn wants(&self, event: &WorktrailEvent) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, has: Option<&T>) -> bool {
            wanted.as_ref().is_none_or(|wanted| Some(wanted) == has)
        }
        is(&self.run_id, Some(&event.run_id))
            && is(&self.segment_id, Some(&event.segment_id))
            && is(&self.step_id, event.step_id.as_ref())
            && is(&self.event_type, Some(&event.event_type))
            && self.from.is_none_or(|from| event.timestamp >= from)
            && self.to.is_none_or(|to| event.timestamp <= to)
            && (!self.errors_only || event.error.is_some())
            && self.after.is_none_or(|after| event.number() > after)
    }
}

/// Events in the order in which they happened.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Keeps a copy of an event. Must not wait: it is called on the way of a run.
    ///
    /// A store that reads the journal itself has nothing to do here.
    ///
    /// # Errors
    /// The copy could not be kept. That is logged and changes nothing.
    fn append(&self, event: &Arc<WorktrailEvent>) -> Result<(), EventStoreError>;

    /// Whether [`append`](Self::append) does something. If not, an event that nobody watches need not
    /// be built.
    fn keeps_copies(&self) -> bool {
        true
    }

    /// The wanted events of a tenant; those of one run in the order of their numbers.
    async fn find(
        &self,
        tenant: &TenantId,
        query: &EventQuery,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError>;

    /// Forgets the events of a tenant, or of one of its runs. Returns how many were kept.
    async fn forget(
        &self,
        tenant: &TenantId,
        run: Option<&RunId>,
    ) -> Result<usize, EventStoreError>;

    /// All events of a run.
    async fn get_by_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        self.find(tenant, &EventQuery::of_run(run)).await
    }

    /// The events of a run with a number greater than `n`.
    async fn get_after(
        &self,
        tenant: &TenantId,
        run: &RunId,
        n: u64,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        let query = EventQuery {
            after: Some(n),
            ..EventQuery::of_run(run)
        };
        self.find(tenant, &query).await
    }

    /// The events of one step of a run.
    async fn get_by_step(
        &self,
        tenant: &TenantId,
        run: &RunId,
        step: &StepId,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        let query = EventQuery {
            step_id: Some(step.clone()),
            ..EventQuery::of_run(run)
        };
        self.find(tenant, &query).await
    }

    /// The events of one type of a run.
    async fn get_by_type(
        &self,
        tenant: &TenantId,
        run: &RunId,
        event_type: EventType,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        let query = EventQuery {
            event_type: Some(event_type),
            ..EventQuery::of_run(run)
        };
        self.find(tenant, &query).await
    }

    /// The events of all runs of a segment.
    async fn get_by_segment(
        &self,
        tenant: &TenantId,
        segment: &SegmentId,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        let query = EventQuery {
            segment_id: Some(segment.clone()),
            ..EventQuery::default()
        };
        self.find(tenant, &query).await
    }

    /// All events of a tenant.
    async fn get_by_tenant(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        self.find(tenant, &EventQuery::default()).await
    }

    /// The events of a run between two times, both included.
    async fn get_by_time_range(
        &self,
        tenant: &TenantId,
        run: &RunId,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        let query = EventQuery {
            from: Some(start),
            to: Some(end),
            ..EventQuery::of_run(run)
        };
        self.find(tenant, &query).await
    }

    /// The events of a run that carry an error.
    async fn get_errors(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        let query = EventQuery {
            errors_only: true,
            ..EventQuery::of_run(run)
        };
        self.find(tenant, &query).await
    }

    /// How many events of a run there are.
    async fn count_by_run(&self, tenant: &TenantId, run: &RunId) -> Result<usize, EventStoreError> {
        Ok(self.get_by_run(tenant, run).await?.len())
    }

    /// Forgets all events of a tenant.
    async fn clear(&self, tenant: &TenantId) -> Result<(), EventStoreError> {
        self.forget(tenant, None).await.map(drop)
    }

    /// Forgets the events of a run. Returns how many there were.
    async fn clear_by_run(&self, tenant: &TenantId, run: &RunId) -> Result<usize, EventStoreError> {
        self.forget(tenant, Some(run)).await
    }
}
