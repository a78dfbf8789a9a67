//! Agents at once that do nothing, or yield once, on one input.
//!
//! The floor is tokio alone: as many tasks spawned on a `JoinSet` and joined, each with a copy of the handle on
//! its agent and input, and its result kept in order. The executor has names, ids, durations and statistics besides.

use std::sync::Arc;

use async_trait::async_trait;
use llmteam_orchestration::execution::{ExecutorConfig, PipelineExecutor};
use llmteam_orchestration::roles::{Agent, AgentError, Fields};
use llmteam_security::SystemClock;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, yield_now};

use crate::measure::{Report, rate, two_workers};

/// Agents of one batch.
const AGENTS: usize = 10_000;

pub(crate) fn measure(report: &mut Report) {
    let runtime = two_workers();
    for (what, yields, target) in [("no-op", false, 1.0), ("yield", true, 0.5)] {
        let name = format!("executor/{what}");
        if report.wants(&name) {
            fan_out(report, &runtime, &name, yields, target);
        }
    }
}

struct Idle {
    yields: bool,
}

#[async_trait]
impl Agent for Idle {
    async fn process(&self, _input: &Fields) -> Result<Fields, AgentError> {
        if self.yields {
            yield_now().await;
        }
        Ok(Fields::new())
    }
}

fn fan_out(report: &mut Report, runtime: &Runtime, name: &str, yields: bool, target: f64) {
    let agent: Arc<dyn Agent> = Arc::new(Idle { yields });
    let input = Arc::new(Fields::new());
    let config = ExecutorConfig {
        max_concurrent: 100,
        ..ExecutorConfig::default()
    };
    let executor = PipelineExecutor::new(config, Arc::new(SystemClock));
    let executor = Arc::new(executor.expect("the configuration is valid"));
    let ours = rate(runtime, AGENTS, || {
        let (executor, agent, input) = (executor.clone(), agent.clone(), input.clone());
        // On a worker, as the tasks of the floor are.
        async move {
            let batch = async move {
                let agents = std::iter::repeat_n(agent, AGENTS);
                executor.execute(agents, &input).await.len()
            };
            let done = tokio::spawn(batch).await.expect("nobody panics");
            assert_eq!(done, AGENTS);
        }
    });
    let spawned = rate(runtime, AGENTS, || {
        let (agent, input) = (agent.clone(), input.clone());
        async move {
            let batch = async move {
                let mut tasks = JoinSet::new();
                for place in 0..AGENTS {
                    let (agent, input) = (agent.clone(), input.clone());
                    tasks.spawn(async move { (place, agent.process(&input).await) });
                }
                let mut results: Vec<_> = (0..AGENTS).map(|_| None).collect();
                while let Some(joined) = tasks.join_next().await {
                    let (place, result) = joined.expect("nobody panics");
                    results[place] = Some(result);
                }
                results.len()
            };
            let done = tokio::spawn(batch).await.expect("nobody panics");
            assert_eq!(done, AGENTS);
        }
    });
    report.add(
        name,
        "agents/s",
        ours,
        ("tokio spawn and join", spawned),
        target,
    );
}
