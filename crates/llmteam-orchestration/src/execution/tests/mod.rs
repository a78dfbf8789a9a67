//! Execution as its users see it, on a clock that stands still until it is moved.

mod batches;
mod blocking;
mod limits;
mod modes;
mod properties;
mod retries;
mod values;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use llmteam_security::{Clock, ManualClock, Timestamp, Wake};
use serde_json::json;

use super::{ExecutionMode, ExecutorConfig, PipelineExecutor, TaskErrorKind, TaskResult};
use crate::roles::{Agent, AgentError, Fields};

type Outcome = Result<Fields, AgentError>;

/// An agent made of a function.
struct Acting {
    name: Option<&'static str>,
    act: Box<dyn Fn() -> BoxFuture<'static, Outcome> + Send + Sync>,
}

#[async_trait]
impl Agent for Acting {
    fn name(&self) -> Option<&str> {
        self.name
    }

    async fn process(&self, _input: &Fields) -> Outcome {
        (self.act)().await
    }
}

fn acting<F>(name: &'static str, act: impl Fn() -> F + Send + Sync + 'static) -> Arc<dyn Agent>
where
    F: Future<Output = Outcome> + Send + 'static,
{
    Arc::new(Acting {
        name: Some(name),
        act: Box::new(move || Box::pin(act())),
    })
}

fn good(name: &'static str) -> Arc<dyn Agent> {
    acting(name, move || async move { Ok(said(name)) })
}

fn bad(name: &'static str, error: &AgentError) -> Arc<dyn Agent> {
    let error = error.clone();
    acting(name, move || {
        let error = error.clone();
        async move { Err(error) }
    })
}

/// An agent that takes so many milliseconds.
fn slow(name: &'static str, clock: &ManualClock, millis: u64) -> Arc<dyn Agent> {
    let clock = clock.clone();
    acting(name, move || {
        let clock = clock.clone();
        async move {
            nap(&clock, millis).await;
            Ok(said(name))
        }
    })
}

async fn nap(clock: &ManualClock, millis: u64) {
    let at = clock.now().saturating_add(ms(millis));
    clock.sleep_until(at, Wake::Work).await;
}

fn said(name: &str) -> Fields {
    [("by".to_owned(), json!(name))].into_iter().collect()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::parse("2030-01-01T00:00:00Z").unwrap())
}

fn executor(clock: &ManualClock, config: ExecutorConfig) -> Arc<PipelineExecutor> {
    Arc::new(PipelineExecutor::new(config, Arc::new(clock.clone())).unwrap())
}

/// Defaults without another attempt.
fn once() -> ExecutorConfig {
    ExecutorConfig {
        max_retries: 0,
        ..ExecutorConfig::default()
    }
}

/// Runs `work` while the clock moves on.
async fn driven<T>(clock: &ManualClock, work: impl Future<Output = T>) -> T {
    let drive = async {
        loop {
            clock.advance(ms(10)).await;
        }
    };
    tokio::select! { biased; done = work => done, () = drive => unreachable!() }
}

async fn execute(
    clock: &ManualClock,
    config: ExecutorConfig,
    agents: Vec<Arc<dyn Agent>>,
) -> Vec<TaskResult> {
    let executor = executor(clock, config);
    driven(clock, executor.execute(agents, &Fields::new())).await
}

fn kinds(results: &[TaskResult]) -> Vec<Option<TaskErrorKind>> {
    let kind = |it: &TaskResult| it.error().map(super::TaskError::kind);
    results.iter().map(kind).collect()
}

fn in_mode(mode: ExecutionMode) -> ExecutorConfig {
    ExecutorConfig { mode, ..once() }
}
