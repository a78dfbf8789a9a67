//! The right to call once, and the duty to say how it went.
//!
//! Invariant: a permit reports once: its methods consume it, and dropping it reports that nothing is known.
//! It carries the epoch it was given in. This file does not know what its report does.

use std::{fmt, ops::Deref};

use super::CircuitBreaker;

/// What was admitted: the breaker's word at the time, and the lease of a probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub(super) word: u64,
    pub(super) lease: Option<u64>,
    /// When the call began, where calls are timed.
    pub(super) began: u64,
}

impl Pass {
    #[inline]
    pub(super) fn closed(word: u64) -> Self {
        Self::new(word, None)
    }

    #[inline]
    pub(super) fn new(word: u64, lease: Option<u64>) -> Self {
        Self {
            word,
            lease,
            began: 0,
        }
    }

    pub(super) fn begun(self, began: u64) -> Self {
        Self { began, ..self }
    }
}

/// One call that a breaker has admitted. Dropping it says nothing about the service.
#[must_use = "the breaker learns from the permit how the call went"]
pub struct CircuitPermit<B: Deref<Target = CircuitBreaker>> {
    breaker: B,
    pass: Pass,
    reported: bool,
}

impl<B: Deref<Target = CircuitBreaker>> CircuitPermit<B> {
    #[inline]
    pub(super) fn new(breaker: B, pass: Pass) -> Self {
        Self {
            breaker,
            pass,
            reported: false,
        }
    }

    /// The service answered as it should.
    #[inline]
    pub fn record_success(mut self) {
        self.reported = true;
        self.breaker.succeeded(self.pass);
    }

    /// The service failed.
    pub fn record_failure(mut self) {
        self.reported = true;
        self.breaker.failed(self.pass);
    }
}

impl<B: Deref<Target = CircuitBreaker>> Drop for CircuitPermit<B> {
    #[inline]
    fn drop(&mut self) {
        if !self.reported {
            self.breaker.abandoned(self.pass);
        }
    }
}

impl<B: Deref<Target = CircuitBreaker>> fmt::Debug for CircuitPermit<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitPermit")
            .field("breaker", &self.breaker.name())
            .field("probe", &self.pass.lease.is_some())
            .finish_non_exhaustive()
    }
}
