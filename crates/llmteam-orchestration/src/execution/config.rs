//! What an executor is told: how many at once, how long, how often again, and what happens when it is full.
//!
//! Invariant: an executor checks its configuration before it exists, and names every fault at once. This file
//! does not know how the rules are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{
    error::{ConfigFault, InvalidExecutorConfig},
    seconds,
};

/// How many agents of a batch run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionMode {
    /// One, and then the next.
    Sequential,
    /// As many as may.
    Parallel,
    /// As many as do well: the number falls by half when attempts time out or the queue fills, and grows by one
    /// with each that number of successes.
    #[default]
    Adaptive,
}

/// What happens to an agent that finds neither a slot nor a place in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It waits where it is: it is not asked for until there is room.
    #[default]
    Wait,
    /// It is refused: its result is the error `queue_full`.
    Refuse,
}

/// The terms of an executor. In JSON, durations are numbers of seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecutorConfig {
    /// How many agents of a batch run at once.
    pub mode: ExecutionMode,
    /// Most agents at once, over all batches of the executor; at least 1.
    pub max_concurrent: usize,
    /// Most agents that wait for a slot, over all batches; at least 1.
    pub queue_size: usize,
    /// What happens to an agent that finds the queue full.
    pub when_full: WhenFull,
    /// The longest that one attempt of an agent may take.
    #[serde(with = "seconds")]
    pub task_timeout: Duration,
    /// The longest that a batch may take.
    #[serde(with = "seconds")]
    pub total_timeout: Duration,
    /// How many attempts may follow a first one that failed.
    pub max_retries: u32,
    /// The pause before each of them. The agent keeps its slot meanwhile.
    #[serde(with = "seconds")]
    pub retry_delay: Duration,
    /// Whether the executor says when it is under pressure.
    pub enable_backpressure: bool,
    /// The share of the queue from which it is: above 0, at most 1.
    pub backpressure_threshold: f64,
    /// Most threads for agents that block; at least 1.
    pub blocking_threads: usize,
}

impl Default for ExecutorConfig {
    fn default() -> Self {
        Self {
            mode: ExecutionMode::Adaptive,
            max_concurrent: 10,
            queue_size: 100,
            when_full: WhenFull::Wait,
            task_timeout: Duration::from_secs(300),
            total_timeout: Duration::from_secs(3600),
            max_retries: 3,
            retry_delay: Duration::from_secs(1),
            enable_backpressure: true,
            backpressure_threshold: 0.8,
            blocking_threads: 10,
        }
    }
}

/// The most threads that one executor may have for what blocks.
const MOST_THREADS: usize = 512;

impl ExecutorConfig {
    /// The configuration itself, once every field makes sense.
    ///
    /// # Errors
    /// [`InvalidExecutorConfig`] with all that do not.
    pub fn validated(self) -> Result<Self, InvalidExecutorConfig> {
        let mut faults = Vec::new();
        let mut rule = |kept: bool, field, value: String, rule| {
            if !kept {
                faults.push(ConfigFault { field, value, rule });
            }
        };
        rule(
            (1..=Semaphore::MAX_PERMITS).contains(&self.max_concurrent),
            "max_concurrent",
            self.max_concurrent.to_string(),
            "at least 1, and countable by a semaphore",
        );
        rule(
            self.queue_size > 0,
            "queue_size",
            self.queue_size.to_string(),
            "at least 1",
        );
        for (field, span) in [
            ("task_timeout", self.task_timeout),
            ("total_timeout", self.total_timeout),
        ] {
            let kept = !span.is_zero();
            rule(
                kept,
                field,
                span.as_secs_f64().to_string(),
                "longer than nothing",
            );
        }
        // A comparison with NaN is false.
        let share = self.backpressure_threshold;
        rule(
            share > 0.0 && share <= 1.0,
            "backpressure_threshold",
            share.to_string(),
            "above 0 and at most 1",
        );
        rule(
            (1..=MOST_THREADS).contains(&self.blocking_threads),
            "blocking_threads",
            self.blocking_threads.to_string(),
            "from 1 to 512",
        );
        if faults.is_empty() {
            Ok(self)
        } else {
            Err(InvalidExecutorConfig { faults })
        }
    }
}
