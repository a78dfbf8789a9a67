//! Puts a pipeline together.
//!
//! Invariant: nothing is half valid: the configuration is checked once, when the pipeline is made.
//! This file does not know what a pipeline does.

use std::sync::{Arc, RwLock};

use llmteam_security::{AgentId, Clock};

use super::{
    super::{
        live::LiveRuns,
        mining::ProcessMiningEngine,
        strategy::{OrchestrationStrategy, RuleBasedStrategy},
    },
    config::PipelineConfig,
    error::OrchestrationError,
    history::Histories,
    orchestrator::PipelineOrchestrator,
};
use crate::{
    execution::{ExecutorConfig, PipelineExecutor},
    licensing::LicenseManager,
};

/// A pipeline in the making. What is not set has its default.
pub struct PipelineBuilder {
    id: AgentId,
    clock: Arc<dyn Clock>,
    strategy: Arc<dyn OrchestrationStrategy>,
    config: PipelineConfig,
    executor: Option<Arc<PipelineExecutor>>,
    mining: Mining,
    license: Option<LicenseManager>,
}

enum Mining {
    Off,
    Own,
    Shared(Arc<ProcessMiningEngine>),
}

impl PipelineBuilder {
    pub(super) fn new(id: AgentId, clock: Arc<dyn Clock>) -> Self {
        Self {
            id,
            clock,
            strategy: Arc::new(RuleBasedStrategy::new()),
            config: PipelineConfig::default(),
            executor: None,
            mining: Mining::Own,
            license: None,
        }
    }

    /// Who decides; by default each agent works once, in order.
    #[must_use]
    pub fn strategy(mut self, strategy: Arc<dyn OrchestrationStrategy>) -> Self {
        self.strategy = strategy;
        self
    }

    /// The bounds of its runs.
    #[must_use]
    pub fn config(mut self, config: PipelineConfig) -> Self {
        self.config = config;
        self
    }

    /// What its agents run in; by default an executor of its own that repeats nothing by itself, so that every failure is
    /// seen by the strategy.
    #[must_use]
    pub fn executor(mut self, executor: Arc<PipelineExecutor>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// Holds it to what is licensed: the number of its agents, and in an executor of its own how many work at once.
    #[must_use]
    pub fn license(mut self, license: LicenseManager) -> Self {
        self.license = Some(license);
        self
    }

    /// Whether its runs are recorded for process mining, in an engine of its own; by default they are.
    #[must_use]
    pub fn process_mining(mut self, enabled: bool) -> Self {
        self.mining = if enabled { Mining::Own } else { Mining::Off };
        self
    }

    /// Records its runs in `engine`. Pipelines that share one must not share run ids.
    #[must_use]
    pub fn mining_engine(mut self, engine: Arc<ProcessMiningEngine>) -> Self {
        self.mining = Mining::Shared(engine);
        self
    }

    /// The pipeline, without agents.
    ///
    /// # Errors
    ///
    /// [`OrchestrationError::InvalidConfig`].
    pub fn build(self) -> Result<PipelineOrchestrator, OrchestrationError> {
        let config = self.config.validated()?;
        let executor = match self.executor {
            Some(executor) => executor,
            None => {
                let own = ExecutorConfig {
                    max_retries: 0,
                    ..ExecutorConfig::default()
                };
                let own = PipelineExecutor::new(own, Arc::clone(&self.clock))?;
                Arc::new(match &self.license {
                    Some(license) => own.with_license(license.clone()),
                    None => own,
                })
            }
        };
        let mining = match self.mining {
            Mining::Off => None,
            Mining::Own => Some(Arc::new(ProcessMiningEngine::new(Arc::clone(&self.clock)))),
            Mining::Shared(engine) => Some(engine),
        };
        Ok(PipelineOrchestrator {
            id: self.id,
            strategy: self.strategy,
            executor,
            clock: self.clock,
            agents: RwLock::default(),
            live: LiveRuns::new(config.remembered_runs),
            histories: Histories::new(config.history_entries, config.kept_histories),
            config,
            mining,
            license: self.license,
        })
    }
}
