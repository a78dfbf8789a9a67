//! A circuit breaker: stops calling a service that fails, and finds out when it works again.
//!
//! Invariant: every permit ends as success, failure or abandoned, the last by being dropped; a result counts
//! only in the epoch of its permit, and later ones in the statistics alone; while half-open, permits are
//! leases, so that no probe can hold the circuit there. While closed, a call that succeeds reads one shared
//! word and writes a counter of its own thread: no lock, no clock.
//! This file does not know what is called, nor which results are failures: see [`super::executor`].

mod machine;
mod permit;
mod stats;
mod stripes;
mod window;

use std::{fmt, sync::Arc, time::Duration};

pub use self::{machine::CircuitState, permit::CircuitPermit, stats::CircuitBreakerStats};
use self::{
    machine::{Machine, Outcome, Verdict},
    permit::Pass,
    stripes::Stripes,
};
use super::{
    config::CircuitBreakerConfig,
    error::{RateLimitError, checked_name},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        lock,
    },
    ticks::{Ticks, nanos},
};
use crate::clock::Clock;

/// The circuit to one service. Share it by `Arc`.
pub struct CircuitBreaker {
    word: Word,
    successes: Stripes,
    machine: Mutex<Machine>,
    abandoned: AtomicU64,
    ticks: Ticks,
    /// Whether calls are timed, to tell the slow ones.
    timed: bool,
    name: Arc<str>,
    config: CircuitBreakerConfig,
}

/// Epoch and state in one word, which changes only with the state: `epoch << 1 | closed`.
#[repr(align(128))]
struct Word(AtomicU64);

const CLOSED: u64 = 1;

impl CircuitBreaker {
    /// A closed circuit.
    ///
    /// # Errors
    /// [`RateLimitError::InvalidConfig`] and [`RateLimitError::InvalidName`] (1 to 256 bytes).
    pub fn new(
        name: &str,
        config: CircuitBreakerConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RateLimitError> {
        let config = config.validated()?;
        let machine = Machine::new(&config);
        Ok(Self {
            word: Word(AtomicU64::new(word(&machine))),
            successes: Stripes::new(),
            machine: Mutex::new(machine),
            abandoned: AtomicU64::new(0),
            ticks: Ticks::new(clock),
            timed: config.slow_call.is_some(),
            name: checked_name(name)?,
            config,
        })
    }

    /// The breaker's name, which its errors carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it was told.
    pub fn config(&self) -> &CircuitBreakerConfig {
        &self.config
    }

    /// A permit to call the service once, which says how it went.
    ///
    /// # Errors
    /// [`RateLimitError::CircuitOpen`] while the circuit is open, or half-open with all probes under way.
    #[inline]
    pub fn allow_request(&self) -> Result<CircuitPermit<&Self>, RateLimitError> {
        match self.closed_pass() {
            Some(pass) => Ok(CircuitPermit::new(self, pass)),
            None => Ok(CircuitPermit::new(self, self.other_pass()?)),
        }
    }

    /// As [`Self::allow_request`], for a permit that outlives the borrow.
    ///
    /// # Errors
    /// The same.
    pub fn allow_request_owned(
        self: &Arc<Self>,
    ) -> Result<CircuitPermit<Arc<Self>>, RateLimitError> {
        let pass = self.closed_pass().map_or_else(|| self.other_pass(), Ok)?;
        Ok(CircuitPermit::new(Arc::clone(self), pass))
    }

    /// Whether a call would be admitted now, without admitting it.
    ///
    /// # Errors
    /// As [`Self::allow_request`].
    pub fn check(&self) -> Result<(), RateLimitError> {
        if self.word.0.load(Ordering::Acquire) & CLOSED != 0 {
            return Ok(());
        }
        let refusal = self.with(|machine, now| machine.refusal(&self.config, now));
        refusal.map_or(Ok(()), |after| Err(self.refused(after)))
    }

    /// The state now.
    pub fn state(&self) -> CircuitState {
        self.with(|machine, _| machine.state())
    }

    /// Whether all calls may go ahead.
    pub fn is_closed(&self) -> bool {
        self.state() == CircuitState::Closed
    }

    /// Whether no call may go ahead.
    pub fn is_open(&self) -> bool {
        self.state() == CircuitState::Open
    }

    /// Whether probes find out how the service is.
    pub fn is_half_open(&self) -> bool {
        self.state() == CircuitState::HalfOpen
    }

    /// How long the state has been what it is.
    pub fn get_state_duration(&self) -> Duration {
        self.with(|machine, now| Duration::from_nanos(machine.state_age(now)))
    }

    /// How long until probes are admitted; `None` unless open.
    pub fn get_retry_after(&self) -> Option<Duration> {
        self.with(|machine, now| machine.opens_for(now).map(Duration::from_nanos))
    }

    /// Opens the circuit, for the open time as after failures.
    pub fn force_open(&self) {
        self.with(|machine, now| machine.force_open(&self.config, now));
    }

    /// Closes the circuit; its history is forgotten.
    pub fn force_close(&self) {
        self.with(Machine::force_close);
    }

    /// Closes the circuit and starts counting anew.
    pub fn reset(&self) {
        self.force_close();
        self.reset_stats();
    }

    /// What has happened so far, and what is so now.
    pub fn get_stats(&self) -> CircuitBreakerStats {
        let abandoned = self.abandoned.load(Ordering::Relaxed);
        self.with(|machine, now| machine.stats(now, self.successes.total(), abandoned))
    }

    /// Starts counting anew. The state and its history stay.
    pub fn reset_stats(&self) {
        self.with(|machine, now| machine.reset_stats(now, self.successes.total()));
        self.abandoned.store(0, Ordering::Relaxed);
    }

    /// The pass of a closed circuit that times nothing: one load.
    #[inline]
    fn closed_pass(&self) -> Option<Pass> {
        let word = self.word.0.load(Ordering::Acquire);
        (word & CLOSED != 0 && !self.timed).then(|| Pass::closed(word))
    }

    /// A pass with the time of its start, or a lease, or a refusal.
    #[inline(never)]
    fn other_pass(&self) -> Result<Pass, RateLimitError> {
        let word = self.word.0.load(Ordering::Acquire);
        if word & CLOSED != 0 {
            return Ok(Pass::closed(word).begun(self.ticks.now()));
        }
        self.with(|machine, now| {
            let lease = machine.admit(&self.config, now);
            let lease = lease.map_err(|after| self.refused(after))?;
            Ok(Pass::new(self::word(machine), lease).begun(now))
        })
    }

    /// A call that was admitted by `pass` has succeeded.
    #[inline]
    fn succeeded(&self, pass: Pass) {
        if !self.timed && self.is_current(pass) {
            return self.successes.add(epoch(pass.word));
        }
        self.other_success(pass);
    }

    fn refused(&self, after: u64) -> RateLimitError {
        RateLimitError::CircuitOpen {
            name: Arc::clone(&self.name),
            retry_after: Some(Duration::from_nanos(after)),
        }
    }

    /// Whether the circuit is closed and has been since `pass` was given.
    #[inline]
    fn is_current(&self, pass: Pass) -> bool {
        pass.word & CLOSED != 0 && self.word.0.load(Ordering::Acquire) == pass.word
    }

    #[inline(never)]
    fn other_success(&self, pass: Pass) {
        let took = |slow| self.ticks.now().saturating_sub(pass.began) >= nanos(slow);
        if self.config.slow_call.is_some_and(took) {
            self.resolve(pass, Outcome::Slow);
        } else if self.is_current(pass) {
            self.successes.add(epoch(pass.word));
        } else {
            self.resolve(pass, Outcome::Success);
        }
    }

    #[cold]
    fn failed(&self, pass: Pass) {
        self.resolve(pass, Outcome::Failure(self.ticks.time_of_day()));
    }

    /// A permit was dropped: nothing is known of the service, and the probe's place is free.
    #[cold]
    fn abandoned(&self, pass: Pass) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        if let Some(lease) = pass.lease {
            self.with(|machine, _| machine.give_back(epoch(pass.word), lease));
        }
    }

    #[inline(never)]
    fn resolve(&self, pass: Pass, outcome: Outcome) {
        let epoch = epoch(pass.word);
        self.with(|machine, now| {
            let successes = self.successes.of(epoch);
            let verdict = machine.resolve(&self.config, epoch, pass.lease, outcome, successes, now);
            // A success of the present closed epoch belongs to its counter, which the window reads.
            if verdict == Verdict::CountSuccess {
                self.successes.add(epoch);
            }
        });
    }

    /// Works on the machine as it is now, and publishes what became of it.
    fn with<T>(&self, work: impl FnOnce(&mut Machine, u64) -> T) -> T {
        let mut machine = lock(&self.machine);
        let now = self.ticks.now();
        machine.advance(&self.config, now);
        let result = work(&mut machine, now);
        if machine.begins_closed() {
            let base = self.successes.of(machine.epoch());
            machine.open_window(base);
        }
        self.word.0.store(word(&machine), Ordering::Release);
        result
    }
}

fn word(machine: &Machine) -> u64 {
    let closed = machine.state() == CircuitState::Closed;
    machine.epoch() << 1 | u64::from(closed)
}

fn epoch(word: u64) -> u64 {
    word >> 1
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
