//! Runs segments: the one entry point, and the only part of the engine with I/O.
//!
//! Data flows one way: a definition is prepared (`prepared`), its run is driven (`drive`) by folding
//! facts into the machine and keeping them in the journal (`log`) before anybody sees them (`watch`).
//! Attempts live in `attempts`, people's answers come through `people`, time through `timers`.

mod attempts;
mod audit;
mod config;
mod drive;
mod error;
mod link;
mod live;
mod log;
mod mailbox;
mod once;
mod operate;
mod pausing;
mod people;
mod prepared;
mod recovery;
mod result;
mod size;
mod steps;
#[cfg(test)]
mod tests;
mod timers;
mod watch;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llmteam_security::audit::Actor;
use llmteam_security::clock::{Clock, SystemClock};
use llmteam_security::id::{RunId, TenantId};
use llmteam_workflow::human::{HumanInteractionManager, MemoryInteractionStore};
use llmteam_workflow::persistence::{
    Journal, MemoryJournal, MemorySnapshotStore, NewRun, Owner, SnapshotStore,
};
use serde_json::Value;
use tokio::task::JoinHandle;

pub use self::config::{ErrorCallback, ResultCallback, RunConfig, StepCallback};
use self::drive::Driver;
pub use self::error::RunnerError;
use self::live::LiveRuns;
use self::log::RunLog;
pub use self::once::StartedOnce;
use self::pausing::Snapshots;
pub use self::prepared::PreparedSegment;
pub use self::result::{SegmentResult, SegmentStatus};
use self::watch::Watch;
use crate::canvas::catalog::StepCatalog;
use crate::canvas::definition::SegmentDefinition;
use crate::canvas::machine::{Fact, Outbox, RunIdentity, RunMachine, RunPhase};
use crate::events::EventStream;
use crate::runtime::RuntimeContext;

/// Runs segments. Cheap to clone; all clones share their stores and live runs.
#[derive(Clone)]
pub struct SegmentRunner(Arc<Parts>);

struct Parts {
    catalog: Arc<StepCatalog>,
    clock: Arc<dyn Clock>,
    journal: Option<Arc<dyn Journal>>,
    events: Option<EventStream>,
    interactions: Arc<HumanInteractionManager>,
    snapshots: Snapshots,
    live: LiveRuns,
    /// How often a waiting run looks for answers given in other processes.
    inbox_poll: Option<Duration>,
    /// Definitions known to be in the journal, by tenant and digest.
    stored: Mutex<HashSet<(TenantId, String)>>,
}

/// Gathers the parts of a runner; what is not given lives in memory.
pub struct SegmentRunnerBuilder {
    catalog: Option<Arc<StepCatalog>>,
    clock: Arc<dyn Clock>,
    journal: Option<Arc<dyn Journal>>,
    events: Option<EventStream>,
    interactions: Option<Arc<HumanInteractionManager>>,
    snapshots: Option<Arc<dyn SnapshotStore>>,
    inbox_poll: Option<Duration>,
}

/// A run that was started.
#[derive(Debug)]
pub struct RunHandle {
    run_id: RunId,
    task: JoinHandle<Result<SegmentResult, RunnerError>>,
}

impl RunHandle {
    /// The run.
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// Tears the run's task down as a crash would: nothing is recorded, the run is left to recovery.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Waits until the run ends, is paused, or waits and its configuration says to return then.
    ///
    /// # Errors
    /// The journal could not be written, or the run's task was torn down.
    pub async fn join(self) -> Result<SegmentResult, RunnerError> {
        self.task.await.unwrap_or(Err(RunnerError::TaskStopped))
    }
}

impl SegmentRunner {
    /// A runner with the built-in step types and everything in memory.
    pub fn in_memory() -> Self {
        Self::builder().build()
    }

    /// Gathers the parts of a runner.
    pub fn builder() -> SegmentRunnerBuilder {
        SegmentRunnerBuilder {
            catalog: None,
            clock: Arc::new(SystemClock),
            journal: Some(Arc::new(MemoryJournal::default())),
            events: Some(EventStream::default()),
            interactions: None,
            snapshots: None,
            inbox_poll: None,
        }
    }

    /// The inbox that human steps ask through.
    pub fn interactions(&self) -> &Arc<HumanInteractionManager> {
        &self.0.interactions
    }

    /// The live and stored events of all runs, unless the runner has none.
    pub fn events(&self) -> Option<&EventStream> {
        self.0.events.as_ref()
    }

    /// Checks a segment, compiles its plan and binds its handlers.
    ///
    /// # Errors
    /// The segment's structure is invalid.
    pub fn prepare(&self, segment: &SegmentDefinition) -> Result<PreparedSegment, RunnerError> {
        PreparedSegment::new(segment, &self.0.catalog)
    }

    /// Runs a segment and waits for its result (N-01). A run that fails is `Ok` with status `failed`.
    ///
    /// # Errors
    /// The segment is refused, the run id is taken, or the journal cannot be written.
    pub async fn run(
        &self,
        segment: &SegmentDefinition,
        runtime: RuntimeContext,
        input: Value,
        config: RunConfig,
    ) -> Result<SegmentResult, RunnerError> {
        let segment = self.prepare(segment)?;
        self.run_prepared(&segment, runtime, input, config).await
    }

    /// Starts a prepared segment and returns at once (N-02).
    ///
    /// # Errors
    /// As [`SegmentRunner::run`], for what is known before the first step.
    pub async fn start(
        &self,
        segment: &PreparedSegment,
        runtime: RuntimeContext,
        input: Value,
        config: RunConfig,
    ) -> Result<RunHandle, RunnerError> {
        let mut begun = self.begin(segment, runtime, input, config)?;
        self.open(&mut begun.driver).await?;
        Ok(begun.spawn())
    }

    /// Runs a prepared segment and waits for its result.
    ///
    /// # Errors
    /// As [`SegmentRunner::run`].
    pub async fn run_prepared(
        &self,
        segment: &PreparedSegment,
        runtime: RuntimeContext,
        input: Value,
        config: RunConfig,
    ) -> Result<SegmentResult, RunnerError> {
        let mut begun = self.begin(segment, runtime, input, config)?;
        self.open(&mut begun.driver).await?;
        begun.run().await
    }

    /// A run whose first record is folded; nothing has been kept or carried out.
    fn begin(
        &self,
        segment: &PreparedSegment,
        runtime: RuntimeContext,
        input: Value,
        config: RunConfig,
    ) -> Result<Begun, RunnerError> {
        if !input.is_object() {
            return Err(RunnerError::InputNotObject);
        }
        let input = Arc::new(input);
        let runtime = self.runtime_of(segment, runtime, &input);
        let identity = identity_of(segment, &runtime);
        let key = (identity.tenant_id.clone(), identity.run_id.clone());
        let Some(inbox) = self.0.live.enter(&key) else {
            return Err(RunnerError::RunAlreadyExists(key.1));
        };
        let entered = Entered::new(&self.0, key);
        let mut machine = RunMachine::new(Arc::clone(segment.plan()), Arc::new(identity));
        let fact = Fact::Started {
            input,
            settings: Arc::new(config.settings.clone()),
            no_handler: segment.step_without_handler(),
        };
        let record = machine.record(fact, self.0.clock.now());
        let mut out = Outbox {
            wants_events: self.wants_events(&runtime, &config),
            ..Outbox::default()
        };
        machine.apply(&record, &mut out)?;
        let watch = Watch::new(self.0.events.clone(), config);
        let mut driver = Box::new(Driver::new(
            &self.0,
            machine,
            segment.clone(),
            runtime,
            RunLog::none(),
            watch,
            inbox,
            out,
        ));
        if self.0.journal.is_some() {
            driver.batch.push(record);
        }
        Ok(Begun { driver, entered })
    }

    /// Keeps the row and the first record of a run that has begun, if anything is kept.
    async fn open(&self, driver: &mut Driver) -> Result<(), RunnerError> {
        if let Some(journal) = &self.0.journal {
            driver.log = Box::pin(self.open_log(journal, driver)).await?;
            driver.batch.clear();
        }
        Ok(())
    }

    /// Creates the run in the journal with its first record.
    async fn open_log(
        &self,
        journal: &Arc<dyn Journal>,
        driver: &Driver,
    ) -> Result<RunLog, RunnerError> {
        let (segment, machine, first) = (&driver.segment, &driver.machine, &driver.batch);
        let actor = actor_of(&driver.runtime);
        let identity = machine.identity();
        self.store_definition(&**journal, &identity.tenant_id, segment)
            .await?;
        let run = NewRun {
            tenant: identity.tenant_id.clone(),
            instance: identity.instance_id.clone(),
            run: identity.run_id.clone(),
            segment: identity.segment_id.clone(),
            definition: segment.plan().digest().to_owned(),
            started_at: machine.started_at(),
            parent: None,
            audit: if journal.audits() {
                audit::events(machine, first, &actor)
            } else {
                Vec::new()
            },
        };
        let entries = log::entries(machine, first, 0)?;
        let lease = journal.create(run, &Owner::current(), entries).await?;
        let mut log = RunLog::of(Arc::clone(journal), lease, 1, actor);
        if matches!(machine.phase(), RunPhase::Ended(_)) {
            log.append(machine, &[]).await?;
        }
        Ok(log)
    }

    async fn store_definition(
        &self,
        journal: &dyn Journal,
        tenant: &TenantId,
        segment: &PreparedSegment,
    ) -> Result<(), RunnerError> {
        let key = (tenant.clone(), segment.plan().digest().to_owned());
        let known = || self.0.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(&key) {
            return Ok(());
        }
        let body = segment.plan().definition().to_json()?;
        journal.put_definition(tenant, &key.1, &body).await?;
        known().insert(key);
        Ok(())
    }

    fn wants_events(&self, runtime: &RuntimeContext, config: &RunConfig) -> bool {
        self.0.events.is_some()
            || runtime.has_hooks()
            || config.collect_events
            || config.has_callbacks()
    }

    fn runtime_of(
        &self,
        segment: &PreparedSegment,
        runtime: RuntimeContext,
        input: &Arc<Value>,
    ) -> RuntimeContext {
        let (id, input) = (segment.segment_id().clone(), Arc::clone(input));
        runtime.for_run(id, input, Arc::clone(&self.0.clock))
    }
}

/// On whose word a run begins or goes on in this runtime.
fn actor_of(runtime: &RuntimeContext) -> Actor {
    runtime
        .principal()
        .map_or_else(Actor::system, |it| Actor::user(&it.id))
}

/// Who a run of this segment in this runtime is.
fn identity_of(segment: &PreparedSegment, runtime: &RuntimeContext) -> RunIdentity {
    RunIdentity {
        tenant_id: runtime.tenant_id().clone(),
        instance_id: runtime.instance_id().clone(),
        run_id: runtime.run_id().clone(),
        segment_id: segment.segment_id().clone(),
    }
}

/// A run among the live ones that nothing drives yet.
struct Begun {
    driver: Box<Driver>,
    entered: Entered,
}

impl Begun {
    async fn run(self) -> Result<SegmentResult, RunnerError> {
        let Self { driver, entered } = self;
        let runtime = driver.runtime.clone();
        let result = runtime.scope(driver.run()).await.map_err(RunnerError::from);
        entered.leave(result.as_ref().ok().map(|it| it.status));
        result
    }

    fn spawn(self) -> RunHandle {
        RunHandle {
            run_id: self.entered.key.1.clone(),
            task: tokio::spawn(self.run()),
        }
    }
}

/// A run's place among the live ones; it is given up even if the run's task is torn down.
struct Entered {
    parts: Arc<Parts>,
    key: (TenantId, RunId),
    left: bool,
}

impl Entered {
    fn new(parts: &Arc<Parts>, key: (TenantId, RunId)) -> Self {
        Self {
            parts: Arc::clone(parts),
            key,
            left: false,
        }
    }

    fn leave(mut self, status: Option<SegmentStatus>) {
        self.left = true;
        self.parts.live.leave(&self.key, status);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.left {
            self.parts.live.leave(&self.key, None);
        }
    }
}

impl SegmentRunnerBuilder {
    /// Step types and handlers.
    #[must_use]
    pub fn catalog(mut self, catalog: impl Into<Arc<StepCatalog>>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// Where time comes from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where runs are kept.
    #[must_use]
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Durability `memory`: nothing is stored, no run can be recovered.
    #[must_use]
    pub fn without_journal(mut self) -> Self {
        self.journal = None;
        self
    }

    /// Where events go.
    #[must_use]
    pub fn events(mut self, events: EventStream) -> Self {
        self.events = Some(events);
        self
    }

    /// No event is built unless a hook or the run's configuration asks for it.
    #[must_use]
    pub fn without_events(mut self) -> Self {
        self.events = None;
        self
    }

    /// The inbox that human steps ask through.
    #[must_use]
    pub fn interactions(mut self, interactions: Arc<HumanInteractionManager>) -> Self {
        self.interactions = Some(interactions);
        self
    }

    /// How often a waiting run looks for answers given in other processes; never unless set.
    #[must_use]
    pub fn inbox_poll(mut self, every: Duration) -> Self {
        self.inbox_poll = Some(every);
        self
    }

    /// Where snapshots of paused runs go.
    #[must_use]
    pub fn snapshots(mut self, snapshots: Arc<dyn SnapshotStore>) -> Self {
        self.snapshots = Some(snapshots);
        self
    }

    /// The runner.
    pub fn build(self) -> SegmentRunner {
        let clock = self.clock;
        let interactions = self.interactions.unwrap_or_else(|| {
            Arc::new(HumanInteractionManager::new(
                Arc::new(MemoryInteractionStore::default()),
                Arc::clone(&clock),
            ))
        });
        let catalog = self
            .catalog
            .unwrap_or_else(|| Arc::new(StepCatalog::with_builtins()));
        let store = self
            .snapshots
            .unwrap_or_else(|| Arc::new(MemorySnapshotStore::default()));
        SegmentRunner(Arc::new(Parts {
            catalog,
            snapshots: Snapshots {
                store,
                clock: Arc::clone(&clock),
            },
            inbox_poll: self.inbox_poll,
            clock,
            journal: self.journal,
            events: self.events,
            interactions,
            live: LiveRuns::default(),
            stored: Mutex::default(),
        }))
    }
}
