//! How one execution is to be done: what may be repeated, until when, and what to serve instead.
//!
//! Invariant: nothing is repeated that the caller did not declare repeatable, unless it never reached the
//! service. This file does not know limits and circuits.

use std::{fmt, time::Duration};

/// What a failed call says about the service, and about calling again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service could not be reached: it has failed, and nothing was sent that could be done twice.
    Unsent,
    /// The service failed, or nobody knows: it is called again only if the call is idempotent.
    Remote,
    /// The caller's own doing, such as a wrong key or a request that makes no sense: says nothing about the
    /// service, and calling again would give the same.
    Caller,
}

type Judge<'a, E> = Box<dyn Fn(&E) -> Fault + Send + Sync + 'a>;
pub(super) type Instead<'a, T> = Box<dyn FnOnce() -> T + Send + 'a>;

/// The terms of one execution. Without any, every failure is [`Fault::Remote`] and nothing is repeated.
pub struct Call<'a, T, E> {
    pub(super) terms: Terms<'a, E>,
    pub(super) fallback: Option<Instead<'a, T>>,
}

/// All terms but the fallback, which is used up.
pub(super) struct Terms<'a, E> {
    pub(super) idempotent: bool,
    pub(super) deadline: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    judge: Option<Judge<'a, E>>,
}

impl<E> Terms<'_, E> {
    pub(super) fn fault(&self, error: &E) -> Fault {
        self.judge
            .as_ref()
            .map_or(Fault::Remote, |judge| judge(error))
    }
}

impl<T, E> Default for Call<'_, T, E> {
    fn default() -> Self {
        let terms = Terms {
            idempotent: false,
            deadline: None,
            attempt_timeout: None,
            judge: None,
        };
        Self {
            terms,
            fallback: None,
        }
    }
}

impl<'a, T, E> Call<'a, T, E> {
    /// The plain terms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Doing it twice is as good as once: failures of the service may be retried.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.terms.idempotent = true;
        self
    }

    /// Everything, waits and retries included, ends within `span`.
    #[must_use]
    pub fn deadline(mut self, span: Duration) -> Self {
        self.terms.deadline = Some(span);
        self
    }

    /// Each call ends within `span`; one that does not is a failure of the service.
    #[must_use]
    pub fn attempt_timeout(mut self, span: Duration) -> Self {
        self.terms.attempt_timeout = Some(span);
        self
    }

    /// Says what each failure means.
    #[must_use]
    pub fn judge(mut self, judge: impl Fn(&E) -> Fault + Send + Sync + 'a) -> Self {
        self.terms.judge = Some(Box::new(judge));
        self
    }

    /// What to serve when limiter or breaker refuses. What fails is never covered up by it.
    #[must_use]
    pub fn fallback(mut self, instead: impl FnOnce() -> T + Send + 'a) -> Self {
        self.fallback = Some(Box::new(instead));
        self
    }
}

impl<T, E> fmt::Debug for Call<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("idempotent", &self.terms.idempotent)
            .field("deadline", &self.terms.deadline)
            .field("attempt_timeout", &self.terms.attempt_timeout)
            .field("fallback", &self.fallback.is_some())
            .finish_non_exhaustive()
    }
}
