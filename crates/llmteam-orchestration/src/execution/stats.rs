//! What an executor has done, and what it is doing.
//!
//! Invariant: a snapshot is of one moment: `total_tasks` is `completed_tasks` + `failed_tasks` in every one of
//! them. Counters begin anew when they are reset; gauges show what is, and no reset touches them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Serialize, Serializer};

use super::result::TaskResult;

/// A snapshot. In JSON durations are numbers of milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExecutionStats {
    /// Agents that have a result.
    pub total_tasks: u64,
    /// Those that succeeded.
    pub completed_tasks: u64,
    /// Those that did not.
    pub failed_tasks: u64,
    /// How long the completed ones took, together.
    #[serde(rename = "total_duration_ms", serialize_with = "whole_milliseconds")]
    pub total_duration: Duration,
    /// How long a completed one took on average.
    #[serde(rename = "avg_duration_ms", serialize_with = "milliseconds")]
    pub avg_duration: Duration,
    /// Attempts after the first, over all agents.
    pub total_retries: u64,
    /// Agents that waited for a place in the queue, or were refused one.
    pub backpressure_events: u64,
    /// How many wait in the queue now.
    pub current_queue_size: usize,
    /// How many hold a slot now.
    pub current_running: usize,
    /// How many the batch that spoke last lets run at once; 0 before the first.
    pub current_window: usize,
}

impl ExecutionStats {
    /// Sets the average from the total; without a completed task it stays as it is.
    pub fn update_avg_duration(&mut self) {
        if self.completed_tasks > 0 {
            let nanos = self.total_duration.as_nanos() / u128::from(self.completed_tasks);
            self.avg_duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
    }
}

fn whole_milliseconds<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn milliseconds<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(span.as_secs_f64() * 1000.0)
}

/// The counters of an executor and the gauge of its window.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<ExecutionStats>);

impl Tally {
    pub(super) fn ended(&self, result: &TaskResult) {
        self.with(|stats| {
            stats.total_tasks += 1;
            stats.total_retries += u64::from(result.retries);
            if result.success() {
                stats.completed_tasks += 1;
                stats.total_duration = stats.total_duration.saturating_add(result.duration);
            } else {
                stats.failed_tasks += 1;
            }
        });
    }

    pub(super) fn held_back(&self) {
        self.with(|stats| stats.backpressure_events += 1);
    }

    pub(super) fn window(&self, size: usize) {
        self.with(|stats| stats.current_window = size);
    }

    pub(super) fn reset(&self) {
        self.with(|stats| {
            let current_window = stats.current_window;
            *stats = ExecutionStats {
                current_window,
                ..ExecutionStats::default()
            };
        });
    }

    pub(super) fn read(&self, running: usize, queued: usize) -> ExecutionStats {
        let mut stats = self.with(|stats| stats.clone());
        stats.current_running = running;
        stats.current_queue_size = queued;
        stats.update_avg_duration();
        stats
    }

    fn with<T>(&self, act: impl FnOnce(&mut ExecutionStats) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
