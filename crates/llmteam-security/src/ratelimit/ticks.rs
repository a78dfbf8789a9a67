//! The time of a limiter or breaker: nanoseconds since it was made, on the steady clock.
//!
//! Invariant: ticks never go back; setting the machine's time moves no budget and no deadline. This file
//! does not know what the time is for.

use std::{future::Future, sync::Arc, time::Duration};

use crate::clock::{Clock, Timestamp, Wake, until};

/// A clock that starts at 0.
#[derive(Clone, Debug)]
pub(crate) struct Ticks {
    clock: Arc<dyn Clock>,
    origin: Duration,
}

impl Ticks {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let origin = clock.monotonic();
        Self { clock, origin }
    }

    /// Nanoseconds since the start.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        nanos(self.clock.monotonic().saturating_sub(self.origin))
    }

    /// The time of day, for people.
    pub(crate) fn time_of_day(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits until `at`, or a little longer.
    pub(crate) async fn sleep_until(&self, at: u64) {
        loop {
            let now = self.now();
            if now >= at {
                return;
            }
            self.clock
                .sleep_until(self.later(at - now), Wake::Timer)
                .await;
        }
    }

    /// Waits for `work` until `at`; `None` when the time comes first. Work that is ready wins.
    pub(crate) async fn until<T>(&self, at: u64, work: impl Future<Output = T>) -> Option<T> {
        let left = at.saturating_sub(self.now());
        until(&*self.clock, self.later(left), Wake::Timer, work).await
    }

    /// The time of day after `nanos`, rounded up to what it can say.
    fn later(&self, nanos: u64) -> Timestamp {
        let span = Duration::from_micros(nanos.div_ceil(1000));
        self.clock.now().saturating_add(span)
    }
}

/// Whole nanoseconds, as many as 64 bits hold.
#[inline]
pub(crate) fn nanos(span: Duration) -> u64 {
    span.as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(span.subsec_nanos().into())
}
