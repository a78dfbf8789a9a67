//! One execution: breaker, limiter, call, and again.
//!
//! Invariant: only what the service did feeds the breaker; a refusal by the limiter, a fault of the caller
//! and a dropped future do not. Everything ends by the deadline. This file does not know names.

use std::{future::Future, time::Duration};

use super::{
    call::{Fault, Instead, Terms},
    endpoint::Endpoint,
    jitter::Jitter,
    result::{ExecutionError, ExecutionResult, Served},
};
use crate::ratelimit::{
    breaker::{CircuitBreaker, CircuitPermit},
    error::RateLimitError,
    limiter::RateLimitPermit,
    sync::atomic::Ordering,
    ticks::{Ticks, nanos},
};

pub(super) struct Attempts<'a, E> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) ticks: &'a Ticks,
    pub(super) jitter: &'a dyn Jitter,
    pub(super) terms: Terms<'a, E>,
}

/// What a call holds while it is under way.
type Admission<'a> = (Option<CircuitPermit<&'a CircuitBreaker>>, RateLimitPermit);

/// How a call ended, when it did not end well.
enum Failed<E> {
    Error(E),
    TimedOut,
}

impl<E> Attempts<'_, E> {
    pub(super) async fn run<T, F, Fut>(
        self,
        fallback: Option<Instead<'_, T>>,
        mut work: F,
    ) -> ExecutionResult<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let started = self.ticks.now();
        let deadline = self
            .terms
            .deadline
            .map_or(u64::MAX, |span| started.saturating_add(nanos(span)));
        let mut attempts = 0;
        let outcome = self.outcome(&mut work, deadline, &mut attempts).await;
        let outcome = served(outcome, fallback);
        let total_time = Duration::from_nanos(self.ticks.now().saturating_sub(started));
        let result = ExecutionResult {
            outcome,
            attempts,
            total_time,
        };
        self.endpoint.count(&result);
        result
    }

    async fn outcome<T, F, Fut>(
        &self,
        work: &mut F,
        deadline: u64,
        attempts: &mut u32,
    ) -> Result<T, ExecutionError<E>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut last = None;
        loop {
            let (permit, slot) = match self.admission(deadline).await {
                Ok(admitted) => admitted,
                Err(Some(refusal)) => return Err(ExecutionError::Refused { refusal, last }),
                Err(None) => {
                    return Err(last.map_or(ExecutionError::TimedOut, ExecutionError::Call));
                }
            };
            *attempts += 1;
            let failed = match self.attempt(work(), deadline).await {
                Ok(value) => {
                    permit.into_iter().for_each(CircuitPermit::record_success);
                    return Ok(value);
                }
                Err(failed) => failed,
            };
            drop(slot);
            let fault = match &failed {
                Failed::Error(error) => self.terms.fault(error),
                Failed::TimedOut => Fault::Remote,
            };
            if fault != Fault::Caller {
                permit.into_iter().for_each(CircuitPermit::record_failure);
            }
            let failure = |failed| match failed {
                Failed::Error(error) => ExecutionError::Call(error),
                Failed::TimedOut => ExecutionError::TimedOut,
            };
            if !self.may_repeat(fault, *attempts) || !self.pause(*attempts - 1, deadline).await {
                return Err(failure(failed));
            }
            self.endpoint.retries.fetch_add(1, Ordering::Relaxed);
            last = match failed {
                Failed::Error(error) => Some(error),
                Failed::TimedOut => last,
            };
        }
    }

    /// Limiter and breaker; `Err(None)` when the deadline comes first. An open circuit is asked first, so
    /// that it costs no budget; the permit is taken last, so that a probe does not spend its lease waiting.
    async fn admission(&self, deadline: u64) -> Result<Admission<'_>, Option<RateLimitError>> {
        let breaker = self.endpoint.breaker.as_ref();
        breaker
            .map_or(Ok(()), CircuitBreaker::check)
            .map_err(Some)?;
        let admitted = self.within(deadline, self.endpoint.limiter.acquire()).await;
        let slot = admitted.ok_or(None)?.map_err(Some)?;
        let permit = breaker.map(CircuitBreaker::allow_request).transpose();
        Ok((permit.map_err(Some)?, slot))
    }

    async fn attempt<T>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        deadline: u64,
    ) -> Result<T, Failed<E>> {
        let timeout = self.terms.attempt_timeout.map_or(u64::MAX, |span| {
            self.ticks.now().saturating_add(nanos(span))
        });
        match self.within(deadline.min(timeout), work).await {
            Some(done) => done.map_err(Failed::Error),
            None => Err(Failed::TimedOut),
        }
    }

    async fn within<W>(&self, until: u64, work: impl Future<Output = W>) -> Option<W> {
        if until == u64::MAX {
            return Some(work.await);
        }
        self.ticks.until(until, work).await
    }

    fn may_repeat(&self, fault: Fault, attempts: u32) -> bool {
        let again = match fault {
            Fault::Unsent => true,
            Fault::Remote => self.terms.idempotent,
            Fault::Caller => false,
        };
        again && attempts <= self.endpoint.limiter.config().retry_count
    }

    /// Waits a random part of the delay; false when that would pass the deadline.
    async fn pause(&self, retry: u32, deadline: u64) -> bool {
        let longest = self.endpoint.limiter.config().get_retry_delay(retry);
        let share = self.jitter.draw().clamp(0.0, 1.0);
        let until = self
            .ticks
            .now()
            .saturating_add(nanos(longest.mul_f64(share)));
        if until >= deadline {
            return false;
        }
        self.ticks.sleep_until(until).await;
        true
    }
}

/// A refusal is served by the fallback, if there is one.
fn served<T, E>(
    outcome: Result<T, ExecutionError<E>>,
    fallback: Option<Instead<'_, T>>,
) -> Result<Served<T>, ExecutionError<E>> {
    match (outcome, fallback) {
        (Err(ExecutionError::Refused { .. }), Some(instead)) => Ok(Served::Fallback(instead())),
        (outcome, _) => outcome.map(Served::Answer),
    }
}
