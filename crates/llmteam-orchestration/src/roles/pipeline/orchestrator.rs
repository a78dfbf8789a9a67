//! The orchestrator of one pipeline: its agents, its strategy, its runs.
//!
//! Invariant: agents may come and go at any time; a run goes on with those it began with. Everything that is handed out is
//! a copy. This file does not know how a run proceeds: see [`super::run`].

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use llmteam_security::{
    AgentId, Clock,
    clock::{Wake, until},
};

use super::{
    super::{
        agent::{Agent, Fields},
        live::LiveRuns,
        mining::{MiningError, ProcessMetrics, ProcessMiningEngine, ProcessModel},
        run::RunPath,
        strategy::{HistoryEntry, OrchestrationStrategy, Step},
    },
    builder::PipelineBuilder,
    config::PipelineConfig,
    error::OrchestrationError,
    history::Histories,
    outcome::OrchestrationOutcome,
    run::{Fault, Run},
};
use crate::{
    execution::PipelineExecutor,
    licensing::{LicenseManager, Limit, LimitExceededError},
};

/// Lets registered agents work as a strategy decides. Share it by `Arc`.
pub struct PipelineOrchestrator {
    pub(super) id: AgentId,
    pub(super) strategy: Arc<dyn OrchestrationStrategy>,
    pub(super) config: PipelineConfig,
    pub(super) executor: Arc<PipelineExecutor>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) agents: RwLock<Vec<Registered>>,
    pub(super) live: LiveRuns,
    pub(super) histories: Histories,
    pub(super) mining: Option<Arc<ProcessMiningEngine>>,
    pub(super) license: Option<LicenseManager>,
}

/// An agent under its name.
#[derive(Clone)]
pub(super) struct Registered {
    pub(super) name: AgentId,
    pub(super) agent: Arc<dyn Agent>,
}

impl PipelineOrchestrator {
    /// A pipeline in the making.
    pub fn builder(pipeline_id: AgentId, clock: Arc<dyn Clock>) -> PipelineBuilder {
        PipelineBuilder::new(pipeline_id, clock)
    }

    /// A pipeline with every default: each agent works once, in order; process mining is on.
    ///
    /// # Errors
    ///
    /// None with the defaults of this crate; see [`PipelineBuilder::build`].
    pub fn new(pipeline_id: AgentId, clock: Arc<dyn Clock>) -> Result<Self, OrchestrationError> {
        Self::builder(pipeline_id, clock).build()
    }

    /// Its id. A pipeline is named like an agent: it works too.
    pub fn pipeline_id(&self) -> &AgentId {
        &self.id
    }

    /// Who decides.
    pub fn strategy(&self) -> &Arc<dyn OrchestrationStrategy> {
        &self.strategy
    }

    /// What its runs are recorded in; `None` without process mining.
    pub fn process_mining(&self) -> Option<&ProcessMiningEngine> {
        self.mining.as_deref()
    }

    /// Registers `agent` as the last, or in place of the one that has this name.
    ///
    /// # Errors
    ///
    /// [`LimitExceededError`] where that is more agents than are licensed; none without a licence to keep.
    pub fn register_agent(
        &self,
        name: AgentId,
        agent: Arc<dyn Agent>,
    ) -> Result<(), LimitExceededError> {
        let mut agents = self.agents.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(registered) = agents.iter_mut().find(|it| it.name == name) {
            registered.agent = agent;
            return Ok(());
        }
        if let Some(license) = &self.license {
            license.permit(Limit::AgentsPerPipeline, agents.len() as u64 + 1)?;
        }
        agents.push(Registered { name, agent });
        Ok(())
    }

    /// Whether there was an agent of this name; there is none now.
    pub fn unregister_agent(&self, name: &AgentId) -> bool {
        let mut agents = self.agents.write().unwrap_or_else(PoisonError::into_inner);
        let before = agents.len();
        agents.retain(|it| it.name != *name);
        agents.len() < before
    }

    /// The names of the registered agents, in the order of registration.
    pub fn agents(&self) -> Vec<AgentId> {
        self.registered().into_iter().map(|it| it.name).collect()
    }

    /// How many runs are under way.
    pub fn live_runs(&self) -> usize {
        self.live.count()
    }

    /// How far the run that is least far is, and where it stands; `None` when nothing runs. The share of the agents that
    /// worked or were passed over.
    pub fn least_progress(&self) -> Option<(f64, Step)> {
        self.live.least_progress()
    }

    /// Runs the agents on a copy of `input` until it is decided that the run is done. Dropping the future calls it off.
    ///
    /// A run whose id ran before is its next attempt; the path in the outcome says which.
    ///
    /// # Errors
    ///
    /// [`OrchestrationError::RunActive`] while a run of this id is under way; otherwise why the run failed, with what it
    /// had reached.
    pub async fn orchestrate(
        &self,
        run: impl Into<RunPath>,
        input: &Fields,
    ) -> Result<OrchestrationOutcome, OrchestrationError> {
        let run = run.into();
        let Some(live) = self.live.begin(&run) else {
            let pipeline = self.id.clone();
            return Err(OrchestrationError::RunActive { pipeline, run });
        };
        let agents = self.registered();
        let mut run = Run::new(self, &agents, &live, input);
        let deadline = self.clock.now().saturating_add(self.config.run_timeout);
        let ended = until(&*self.clock, deadline, Wake::Timer, run.drive()).await;
        run.finish(ended.unwrap_or(Err(Fault::DeadlineExceeded)))
    }

    /// What was decided in a run that is over, oldest first: the latest entries, for as long as they are kept.
    pub fn get_execution_history(&self, run: &RunPath) -> Vec<HistoryEntry> {
        self.histories.of(run)
    }

    /// The runs whose history is kept, in the order in which they ended.
    pub fn kept_runs(&self) -> Vec<RunPath> {
        self.histories.runs()
    }

    /// The figures of the recorded runs; `None` without process mining.
    ///
    /// # Errors
    ///
    /// The recorded events are more than a log can hold.
    pub fn get_process_metrics(&self) -> Result<Option<ProcessMetrics>, MiningError> {
        let mining = self.mining.as_ref();
        mining.map(|it| it.calculate_metrics()).transpose()
    }

    /// The recorded events as XES; `None` without process mining.
    ///
    /// # Errors
    ///
    /// The recorded events are more than a log can hold.
    pub fn export_process_log(&self) -> Result<Option<String>, MiningError> {
        let mining = self.mining.as_ref();
        mining.map(|it| it.export_xes()).transpose()
    }

    /// What followed what in the recorded runs; `None` without process mining.
    ///
    /// # Errors
    ///
    /// The recorded events are more than a log can hold.
    pub fn export_process_model(&self) -> Result<Option<ProcessModel>, MiningError> {
        let mining = self.mining.as_ref();
        mining.map(|it| it.discover_model()).transpose()
    }

    fn registered(&self) -> Vec<Registered> {
        let agents = self.agents.read().unwrap_or_else(PoisonError::into_inner);
        agents.clone()
    }
}

impl fmt::Debug for PipelineOrchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineOrchestrator")
            .field("pipeline_id", &self.id)
            .field("agents", &self.agents())
            .finish_non_exhaustive()
    }
}
