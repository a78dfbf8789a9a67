//! What a breaker has seen.
//!
//! Invariant: a snapshot is true without a call: the time in open includes the present one. Each request is
//! counted once it is known how it ended: successful, failed, refused or abandoned.

use std::time::Duration;

use serde::Serialize;

use super::machine::{CircuitState, Machine, Outcome};
use crate::{
    clock::Timestamp,
    ratelimit::{seconds, stats::share},
};

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CircuitBreakerStats {
    /// All requests that have ended: successful, failed, rejected and abandoned.
    pub total_requests: u64,
    /// Calls that succeeded, slow ones included.
    pub successful_requests: u64,
    /// Calls that failed.
    pub failed_requests: u64,
    /// Requests that were refused.
    pub rejected_requests: u64,
    /// Permits that were dropped without a result.
    pub abandoned_requests: u64,
    /// Calls that succeeded too slowly.
    pub slow_requests: u64,
    /// How often the state changed.
    pub state_changes: u64,
    /// When a call last failed.
    pub last_failure_time: Option<Timestamp>,
    /// How long the circuit has been open, all times together. In JSON a number of seconds.
    #[serde(with = "seconds")]
    pub time_in_open: Duration,
}

impl CircuitBreakerStats {
    /// Failed of all calls with a result, 0 to 1.
    pub fn failure_rate(&self) -> f64 {
        let results = self.successful_requests + self.failed_requests;
        share(self.failed_requests as f64, results)
    }
}

/// The counters behind it, without the successes of closed circuits.
#[derive(Debug, Default)]
pub(super) struct Tally {
    successes: u64,
    failures: u64,
    slow: u64,
    pub(super) rejected: u64,
    pub(super) state_changes: u64,
    last_failure: Option<Timestamp>,
    open_nanos: u64,
    /// When counting began, and what the success counter showed.
    began: u64,
    baseline: u64,
}

impl Tally {
    pub(super) fn result(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Success => self.successes += 1,
            Outcome::Slow => {
                self.successes += 1;
                self.slow += 1;
            }
            Outcome::Failure(at) => {
                self.failures += 1;
                self.last_failure = Some(at);
            }
        }
    }

    pub(super) fn was_open(&mut self, from: u64, to: u64) {
        self.open_nanos += to.saturating_sub(from.max(self.began));
    }
}

impl Machine {
    /// The figures at `now`; `counted` is what the success counter shows.
    pub(super) fn stats(&self, now: u64, counted: u64, abandoned: u64) -> CircuitBreakerStats {
        let tally = &self.tally;
        let successful = tally.successes + counted.saturating_sub(tally.baseline);
        let open_now = match self.state() {
            CircuitState::Open => self.state_age(now).min(now.saturating_sub(tally.began)),
            _ => 0,
        };
        CircuitBreakerStats {
            total_requests: successful + tally.failures + tally.rejected + abandoned,
            successful_requests: successful,
            failed_requests: tally.failures,
            rejected_requests: tally.rejected,
            abandoned_requests: abandoned,
            slow_requests: tally.slow,
            state_changes: tally.state_changes,
            last_failure_time: tally.last_failure,
            time_in_open: Duration::from_nanos(tally.open_nanos + open_now),
        }
    }

    pub(super) fn reset_stats(&mut self, now: u64, counted: u64) {
        self.tally = Tally {
            began: now,
            baseline: counted,
            ..Tally::default()
        };
    }
}
