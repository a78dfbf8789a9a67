//! The pipelines of a group and what they are doing.
//!
//! Invariant: the number of runs under way of a pipeline is the number of its [`InFlight`] guards, and its state follows
//! from that number and the end of its latest run; a guard gives back what it holds on every way out, by being dropped.
//! This module does not know what a run is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llmteam_security::{
    AgentId, Clock, Timestamp,
    ratelimit::{CircuitBreaker, CircuitBreakerConfig, CircuitPermit, RateLimitError},
};

use super::{
    error::GroupError,
    member::{GroupPipeline, PipelineProgress},
    status::{PipelineState, PipelineStatus},
};
use crate::licensing::{LicenseManager, Limit, LimitExceededError};

/// The registered pipelines. Share it by `Arc`.
pub(super) struct Table {
    circuit: CircuitBreakerConfig,
    clock: Arc<dyn Clock>,
    license: Option<LicenseManager>,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    /// In the order of registration.
    rows: Vec<Row>,
    /// How many pipelines were ever registered: the serial of the latest.
    registered: u64,
    /// How many runs were ever started: the number of the latest start.
    starts: u64,
}

struct Row {
    serial: u64,
    pipeline: Arc<dyn GroupPipeline>,
    breaker: Arc<CircuitBreaker>,
    in_flight: usize,
    errors: u64,
    last_failed: bool,
    last_start: u64,
    last_update: Timestamp,
}

/// What was asked for of one target.
pub(super) enum Reserved {
    /// It may run.
    Ready(Arc<dyn GroupPipeline>, InFlight),
    /// It cools down.
    CoolingDown(AgentId, RateLimitError),
    /// There is no such pipeline.
    Missing(AgentId),
}

/// How a run ended, for the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
    /// It says nothing of the pipeline.
    CalledOff,
}

impl Table {
    pub(super) fn new(
        circuit: CircuitBreakerConfig,
        clock: Arc<dyn Clock>,
        license: Option<LicenseManager>,
    ) -> Result<Arc<Self>, RateLimitError> {
        Ok(Arc::new(Self {
            circuit: circuit.validated()?,
            clock,
            license,
            rows: Mutex::default(),
        }))
    }

    pub(super) fn register(&self, pipeline: Arc<dyn GroupPipeline>) -> Result<(), GroupError> {
        let id = pipeline.pipeline_id().clone();
        let clock = Arc::clone(&self.clock);
        let breaker = CircuitBreaker::new(id.as_str(), self.circuit.clone(), clock)?;
        let mut rows = self.lock();
        if rows.rows.iter().any(|it| *it.pipeline.pipeline_id() == id) {
            return Err(GroupError::DuplicatePipeline { pipeline: id });
        }
        if let Some(license) = &self.license {
            license.permit(Limit::Teams, rows.rows.len() as u64)?;
        }
        rows.registered += 1;
        let row = Row {
            serial: rows.registered,
            pipeline,
            breaker: Arc::new(breaker),
            in_flight: 0,
            errors: 0,
            last_failed: false,
            last_start: 0,
            last_update: self.clock.now(),
        };
        rows.rows.push(row);
        Ok(())
    }

    pub(super) fn unregister(&self, id: &AgentId) -> bool {
        let mut rows = self.lock();
        let before = rows.rows.len();
        rows.rows.retain(|it| it.pipeline.pipeline_id() != id);
        rows.rows.len() < before
    }

    pub(super) fn pipelines(&self) -> Vec<Arc<dyn GroupPipeline>> {
        let rows = self.lock();
        rows.rows
            .iter()
            .map(|it| Arc::clone(&it.pipeline))
            .collect()
    }

    /// How all pipelines stand, and the number of the latest start.
    pub(super) fn statuses(&self) -> (Vec<PipelineStatus>, u64) {
        let (mut statuses, pipelines, starts) = {
            let rows = self.lock();
            let statuses: Vec<PipelineStatus> = rows.rows.iter().map(Row::status).collect();
            let pipelines = rows.rows.iter().map(|it| Arc::clone(&it.pipeline));
            (statuses, pipelines.collect::<Vec<_>>(), rows.starts)
        };
        // Pipelines of the host are asked without the lock, so that they may ask in turn.
        for (status, pipeline) in statuses.iter_mut().zip(pipelines) {
            let PipelineProgress {
                progress,
                current_step,
            } = pipeline.progress();
            status.progress = progress;
            status.current_step = current_step;
        }
        (statuses, starts)
    }

    /// Takes a run of each target, in this order; `None` when somebody was started after `unless_after`.
    ///
    /// # Errors
    ///
    /// [`LimitExceededError`] when with these more runs would be under way than are licensed; nothing is taken then.
    pub(super) fn reserve(
        self: &Arc<Self>,
        targets: &[AgentId],
        unless_after: Option<u64>,
    ) -> Result<Option<Vec<Reserved>>, LimitExceededError> {
        let mut rows = self.lock();
        if unless_after.is_some_and(|seen| seen != rows.starts) {
            return Ok(None);
        }
        self.permit(&rows, targets)?;
        let now = self.clock.now();
        let reserved = targets.iter().map(|id| {
            let Rows { rows, starts, .. } = &mut *rows;
            let Some(row) = rows.iter_mut().find(|it| it.pipeline.pipeline_id() == id) else {
                return Reserved::Missing(id.clone());
            };
            let permit = match row.breaker.allow_request_owned() {
                Ok(permit) => permit,
                Err(refusal) => return Reserved::CoolingDown(id.clone(), refusal),
            };
            *starts += 1;
            row.in_flight += 1;
            row.last_start = *starts;
            row.last_update = now;
            let in_flight = InFlight {
                table: Arc::clone(self),
                serial: row.serial,
                permit: Some(permit),
                ended: Ended::CalledOff,
            };
            Reserved::Ready(Arc::clone(&row.pipeline), in_flight)
        });
        Ok(Some(reserved.collect()))
    }

    /// Whether a run of each target may start beside those under way.
    fn permit(&self, rows: &Rows, targets: &[AgentId]) -> Result<(), LimitExceededError> {
        let Some(license) = &self.license else {
            return Ok(());
        };
        let under_way: usize = rows.rows.iter().map(|it| it.in_flight).sum();
        let is_target = |it: &&Row| targets.contains(it.pipeline.pipeline_id());
        let wanted = rows.rows.iter().filter(is_target).count();
        match wanted.checked_sub(1) {
            // The limit asks for how many run when one more is wanted: the last of these.
            Some(others) => license.permit(Limit::ConcurrentPipelines, (under_way + others) as u64),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    /// The status, without what the pipeline itself would say.
    fn status(&self) -> PipelineStatus {
        PipelineStatus {
            pipeline_id: self.pipeline.pipeline_id().clone(),
            status: match (self.in_flight, self.last_failed) {
                (1.., _) => PipelineState::Running,
                (0, true) => PipelineState::Failed,
                (0, false) => PipelineState::Idle,
            },
            progress: 0.0,
            current_step: String::new(),
            error_count: self.errors,
            in_flight: self.in_flight,
            available: self.breaker.check().is_ok(),
            last_start: self.last_start,
            last_update: self.last_update,
        }
    }
}

/// A run that is under way until this is dropped.
pub(super) struct InFlight {
    table: Arc<Table>,
    serial: u64,
    permit: Option<CircuitPermit<Arc<CircuitBreaker>>>,
    ended: Ended,
}

impl InFlight {
    /// The run is over.
    pub(super) fn ends(mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // The circuit hears of it first, so that a status that says idle is never that of a pipeline about to cool down.
        match (self.permit.take(), self.ended) {
            (Some(permit), Ended::Well) => permit.record_success(),
            (Some(permit), Ended::Badly) => permit.record_failure(),
            (permit, _) => drop(permit),
        }
        let now = self.table.clock.now();
        let mut rows = self.table.lock();
        let Some(row) = rows.rows.iter_mut().find(|it| it.serial == self.serial) else {
            return;
        };
        row.in_flight = row.in_flight.saturating_sub(1);
        row.last_update = now;
        match self.ended {
            Ended::Well => row.last_failed = false,
            Ended::Badly => {
                row.last_failed = true;
                row.errors = row.errors.saturating_add(1);
            }
            Ended::CalledOff => {}
        }
    }
}
