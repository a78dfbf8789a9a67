//! Runs agents for whoever asks, within one set of limits.
//!
//! Invariant: the limits hold over everything that runs through one executor, however many callers it has.
//! This file does not know how a batch proceeds.

use std::{
    future::{Future, pending},
    ops::Deref,
    sync::Arc,
};

use llmteam_security::{Clock, id};

use super::{
    batch::Batch,
    blocking::{BlockingAgent, BlockingPool},
    config::{ExecutionMode, ExecutorConfig},
    error::InvalidExecutorConfig,
    host::Host,
    result::TaskResult,
    slots::Slots,
    stats::{ExecutionStats, Tally},
};
use crate::{
    licensing::LicenseManager,
    roles::{Agent, AgentError, Fields},
};

/// Runs several agents on one input. Share it by `Arc`.
///
/// Each agent gives exactly one result, in the order of the agents; a failing agent fails nobody else. Agents
/// are asked for as they can be used, so that an iterator over a million of them costs no more than its results.
#[derive(Debug)]
pub struct PipelineExecutor {
    host: Host,
    threads: Arc<BlockingPool>,
}

impl PipelineExecutor {
    /// An executor that keeps `config`, in the time of `clock`.
    ///
    /// # Errors
    /// [`InvalidExecutorConfig`] with every fault of the configuration.
    pub fn new(
        config: ExecutorConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidExecutorConfig> {
        let config = config.validated()?;
        Ok(Self {
            threads: Arc::new(BlockingPool::new(config.blocking_threads)),
            host: Host {
                slots: Slots::new(config.max_concurrent, config.queue_size),
                tally: Tally::default(),
                config,
                clock,
                license: None,
            },
        })
    }

    /// The same executor, held to what is licensed: no more agents run at once than that, from the instant on at
    /// which a licence changes or expires.
    #[must_use]
    pub fn with_license(mut self, license: LicenseManager) -> Self {
        self.host.license = Some(license);
        self
    }

    /// Runs `agents` on `input` in the configured mode. Dropping the future cancels what runs.
    pub async fn execute<A>(
        &self,
        agents: impl IntoIterator<Item = A, IntoIter: Send>,
        input: &Fields,
    ) -> Vec<TaskResult>
    where
        A: Deref<Target: Agent> + Send,
    {
        self.run(self.host.config.mode, agents, input, pending())
            .await
    }

    /// As [`Self::execute`], as many at once as may, whatever the configured mode.
    pub async fn execute_parallel<A>(
        &self,
        agents: impl IntoIterator<Item = A, IntoIter: Send>,
        input: &Fields,
    ) -> Vec<TaskResult>
    where
        A: Deref<Target: Agent> + Send,
    {
        self.run(ExecutionMode::Parallel, agents, input, pending())
            .await
    }

    /// As [`Self::execute`], until `cancel` is ready: then what has no result yet gets the error `cancelled`,
    /// and what runs is dropped.
    pub async fn execute_until<A>(
        &self,
        agents: impl IntoIterator<Item = A, IntoIter: Send>,
        input: &Fields,
        cancel: impl Future<Output = ()> + Send,
    ) -> Vec<TaskResult>
    where
        A: Deref<Target: Agent> + Send,
    {
        self.run(self.host.config.mode, agents, input, cancel).await
    }

    /// The agent `name`, which does `work` on the executor's own threads: for work that blocks. When its
    /// time is over the executor goes on without it; the thread is free when the work ends.
    pub fn blocking(
        &self,
        name: impl Into<Box<str>>,
        work: impl Fn(&Fields) -> Result<Fields, AgentError> + Send + Sync + 'static,
    ) -> BlockingAgent {
        BlockingAgent::new(name, Arc::clone(&self.threads), work)
    }

    /// What it was told.
    pub fn config(&self) -> &ExecutorConfig {
        &self.host.config
    }

    /// What it has done and is doing: a copy of this moment.
    pub fn get_stats(&self) -> ExecutionStats {
        let slots = &self.host.slots;
        self.host.tally.read(slots.held(), slots.waiting())
    }

    /// Starts counting anew. What runs and waits is not touched.
    pub fn reset_stats(&self) {
        self.host.tally.reset();
    }

    /// Whether at least the configured share of the queue is taken; never when backpressure is disabled.
    pub fn is_backpressure(&self) -> bool {
        self.host.is_backpressure()
    }

    async fn run<A>(
        &self,
        mode: ExecutionMode,
        agents: impl IntoIterator<Item = A, IntoIter: Send>,
        input: &Fields,
        cancel: impl Future<Output = ()> + Send,
    ) -> Vec<TaskResult>
    where
        A: Deref<Target: Agent> + Send,
    {
        let license = self.host.license.as_ref();
        let mode = license.map_or(mode, |license| license.enforced_mode(mode));
        let id = id::generate("tsk_", &*self.host.clock).into();
        let batch = Batch::new(&self.host, agents.into_iter(), input, mode, id);
        batch.run(cancel).await
    }
}
