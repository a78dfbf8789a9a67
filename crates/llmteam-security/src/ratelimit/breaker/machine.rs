//! The states of a circuit and what moves between them. Pure: times and counts come in as arguments.
//!
//! Invariant: the state is a function of what happened and of the time alone; it moves on without any call
//! (an open time ends, a lease runs out) as soon as somebody looks. Each change begins a new epoch.
//! This file does not know threads, clocks, nor permits.

use serde::{Deserialize, Serialize};

use super::{stats::Tally, window::Window};
use crate::{
    clock::Timestamp,
    ratelimit::{config::CircuitBreakerConfig, ticks::nanos},
};

/// Whether calls go ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// They do.
    Closed,
    /// They do not.
    Open,
    /// A few do, to find out how the service is.
    HalfOpen,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Success,
    /// A success that took too long.
    Slow,
    /// A failure, at this time of day.
    Failure(Timestamp),
}

/// What is left to do for a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    /// It is a success of the closed circuit, which the caller counts.
    CountSuccess,
}

#[derive(Debug)]
enum State {
    /// Without a window until the caller has read the success counter of the new epoch.
    Closed(Option<Window>),
    Open {
        until: u64,
    },
    HalfOpen {
        probes: Vec<Probe>,
        successes: u32,
    },
}

#[derive(Debug)]
struct Probe {
    lease: u64,
    until: u64,
}

/// The circuit.
#[derive(Debug)]
pub(super) struct Machine {
    state: State,
    epoch: u64,
    since: u64,
    /// How long the circuit opens when the probes fail; see [`Self::reopen`].
    open_time: u64,
    leases: u64,
    pub(super) tally: Tally,
}

/// How soon to ask again while all probes are under way.
const BUSY: u64 = 1_000_000_000;

impl Machine {
    pub(super) fn new(config: &CircuitBreakerConfig) -> Self {
        Self {
            state: State::Closed(Some(Window::default())),
            epoch: 0,
            since: 0,
            open_time: nanos(config.open_timeout),
            leases: 0,
            tally: Tally::default(),
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.state {
            State::Closed(_) => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Goes up with each change of state.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn state_age(&self, now: u64) -> u64 {
        now.saturating_sub(self.since)
    }

    /// How much longer the circuit is open.
    pub(super) fn opens_for(&self, now: u64) -> Option<u64> {
        match self.state {
            State::Open { until } => Some(until.saturating_sub(now)),
            _ => None,
        }
    }

    /// Whether the circuit has just closed and wants its window.
    pub(super) fn begins_closed(&self) -> bool {
        matches!(self.state, State::Closed(None))
    }

    /// Begins the window of a closed circuit where the success counter shows `base`.
    pub(super) fn open_window(&mut self, base: u64) {
        self.state = State::Closed(Some(Window::new(base)));
    }

    /// Lets time pass until `now`.
    pub(super) fn advance(&mut self, config: &CircuitBreakerConfig, now: u64) {
        // A lease that runs out opens the circuit, and the open time may be over as well.
        if let State::HalfOpen { probes, .. } = &self.state
            && let Some(end) = probes.iter().map(|probe| probe.until).min()
            && end <= now
        {
            self.reopen(config, end);
        }
        if let State::Open { until } = self.state
            && until <= now
        {
            let probes = Vec::new();
            let successes = 0;
            self.enter(State::HalfOpen { probes, successes }, until);
        }
    }

    /// How soon to ask again, if a call would be refused now; counted as a refusal.
    pub(super) fn refusal(&mut self, config: &CircuitBreakerConfig, now: u64) -> Option<u64> {
        let after = match &self.state {
            State::Closed(_) => None,
            State::Open { until } => Some(until.saturating_sub(now)),
            State::HalfOpen { probes, .. } => {
                let busy = probes.len() >= config.half_open_max_requests as usize;
                let end = probes.iter().map(|probe| probe.until).min();
                end.filter(|_| busy)
                    .map(|end| end.saturating_sub(now).min(BUSY))
            }
        };
        self.tally.rejected += u64::from(after.is_some());
        after
    }

    /// Admits a call: a probe with its lease while half-open, or the time until asking again makes sense.
    pub(super) fn admit(
        &mut self,
        config: &CircuitBreakerConfig,
        now: u64,
    ) -> Result<Option<u64>, u64> {
        if let Some(after) = self.refusal(config, now) {
            return Err(after);
        }
        let State::HalfOpen { probes, .. } = &mut self.state else {
            return Ok(None);
        };
        self.leases += 1;
        let (lease, until) = (self.leases, now.saturating_add(nanos(config.probe_lease)));
        probes.push(Probe { lease, until });
        Ok(Some(lease))
    }

    /// Takes in a result that belongs to `epoch`, and to `lease` if it was a probe.
    pub(super) fn resolve(
        &mut self,
        config: &CircuitBreakerConfig,
        epoch: u64,
        lease: Option<u64>,
        outcome: Outcome,
        successes: u64,
        now: u64,
    ) -> Verdict {
        let current = epoch == self.epoch;
        if current && matches!(outcome, Outcome::Success) && self.state() == CircuitState::Closed {
            return Verdict::CountSuccess;
        }
        self.tally.result(outcome);
        if !current {
            return Verdict::Done;
        }
        match &mut self.state {
            State::Closed(Some(window)) => {
                let failed = matches!(outcome, Outcome::Failure(_));
                let seen = window.add_bad(config, failed, successes, now);
                if config.should_open(seen.consecutive, seen.bad, seen.total) {
                    self.open(config, now);
                }
            }
            State::HalfOpen { probes, .. } => {
                let before = probes.len();
                probes.retain(|probe| Some(probe.lease) != lease);
                // A probe whose lease was given back has no say.
                if probes.len() < before {
                    self.judge(config, outcome, now);
                }
            }
            State::Closed(None) | State::Open { .. } => {}
        }
        Verdict::Done
    }

    /// A probe will not report.
    pub(super) fn give_back(&mut self, epoch: u64, lease: u64) {
        if let State::HalfOpen { probes, .. } = &mut self.state
            && epoch == self.epoch
        {
            probes.retain(|probe| probe.lease != lease);
        }
    }

    pub(super) fn force_open(&mut self, config: &CircuitBreakerConfig, now: u64) {
        self.open(config, now);
    }

    pub(super) fn force_close(&mut self, now: u64) {
        self.enter(State::Closed(None), now);
    }

    /// A probe has reported.
    fn judge(&mut self, config: &CircuitBreakerConfig, outcome: Outcome, now: u64) {
        let State::HalfOpen { successes, .. } = &mut self.state else {
            return;
        };
        match outcome {
            Outcome::Success => {
                *successes += 1;
                if *successes >= config.success_threshold {
                    self.enter(State::Closed(None), now);
                }
            }
            Outcome::Slow | Outcome::Failure(_) => self.reopen(config, now),
        }
    }

    /// Opens for the first time since the circuit was closed.
    fn open(&mut self, config: &CircuitBreakerConfig, now: u64) {
        self.open_time = nanos(config.open_timeout);
        let until = now.saturating_add(self.open_time);
        self.enter(State::Open { until }, now);
    }

    /// Opens again, twice as long as the last time, within the maximum.
    fn reopen(&mut self, config: &CircuitBreakerConfig, now: u64) {
        let longest = nanos(config.max_open_timeout);
        self.open_time = self.open_time.saturating_mul(2).min(longest);
        let until = now.saturating_add(self.open_time);
        self.enter(State::Open { until }, now);
    }

    fn enter(&mut self, next: State, now: u64) {
        let before = self.state();
        if before == CircuitState::Open {
            self.tally.was_open(self.since, now);
        }
        self.state = next;
        self.epoch += 1;
        self.since = now;
        if self.state() != before {
            self.tally.state_changes += 1;
        }
    }
}
