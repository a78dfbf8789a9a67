//! A rate limiter: admits a request within its budgets, or waits, queues, refuses as its strategy says.
//!
//! Invariant: whoever holds a [`RateLimitPermit`] has been charged, exactly once; whoever does not has not
//! (a request that gives up while waiting leaves no trace but in the statistics). Nobody sleeps under a lock,
//! every wait has a deadline, and nobody overtakes those who wait.
//! This file does not know what the request is, nor whether it succeeds.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    budget::{Budget, Held},
    cell::Refused,
    config::{RateLimitConfig, RateLimitStrategy},
    error::{RateLimitError, checked_name},
    line::Line,
    stats::{RateLimiterStats, Tally},
    ticks::{Ticks, nanos},
};
use crate::clock::Clock;

/// Keeps requests to one endpoint within their budgets. Share it by `Arc`.
pub struct RateLimiter {
    own: Budget,
    /// A budget that this limiter shares with others, charged together with its own.
    above: Option<Arc<Budget>>,
    /// Whether the own cell is all there is to ask.
    alone: bool,
    ticks: Ticks,
    line: Line,
    tally: Tally,
    name: Arc<str>,
    config: RateLimitConfig,
}

/// The right to send one request, already charged. Its concurrency slot is free again when it is dropped.
#[derive(Debug)]
#[must_use = "the request may only be under way while the permit is held"]
pub struct RateLimitPermit {
    _own: Held,
    _above: Held,
}

impl RateLimitPermit {
    /// Ends the request; the same as dropping the permit.
    #[inline]
    pub fn release(self) {}
}

impl RateLimitPermit {
    /// The permit of a budget kept elsewhere.
    #[cfg(feature = "redis")]
    pub(crate) fn of(slot: Held) -> Self {
        Self {
            _own: slot,
            _above: None,
        }
    }
}

impl RateLimiter {
    /// A limiter with full budgets.
    ///
    /// # Errors
    /// [`RateLimitError::InvalidConfig`] and [`RateLimitError::InvalidName`] (1 to 256 bytes).
    pub fn new(
        name: &str,
        config: RateLimitConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RateLimitError> {
        Self::under(None, name, config, Ticks::new(clock))
    }

    /// A limiter that also charges `above`, on the same time.
    pub(crate) fn under(
        above: Option<Arc<Budget>>,
        name: &str,
        config: RateLimitConfig,
        ticks: Ticks,
    ) -> Result<Self, RateLimitError> {
        let config = config.validated()?;
        Ok(Self {
            own: Budget::new(&config),
            alone: above.is_none() && config.max_concurrent.is_none(),
            above,
            ticks,
            line: Line::new(),
            tally: Tally::default(),
            name: checked_name(name)?,
            config,
        })
    }

    /// The limiter's name, which its errors carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it was told.
    pub fn config(&self) -> &RateLimitConfig {
        &self.config
    }

    /// Admission for one request, as the strategy says. Dropping the future at any point takes it back.
    ///
    /// # Errors
    /// [`RateLimitError::RateLimitExceeded`] when refused, or not admitted within `max_wait`;
    /// [`RateLimitError::QueueFull`] under [`RateLimitStrategy::Queue`].
    #[inline]
    pub async fn acquire(&self) -> Result<RateLimitPermit, RateLimitError> {
        match self.attempt() {
            Ok(permit) => Ok(permit),
            // Boxed, so that the future of those who need not wait is small.
            Err(refused) => Box::pin(self.over_limit(refused)).await,
        }
    }

    /// Admission for one request now, whatever the strategy.
    ///
    /// # Errors
    /// [`RateLimitError::RateLimitExceeded`].
    #[inline]
    pub fn try_acquire(&self) -> Result<RateLimitPermit, RateLimitError> {
        self.attempt().map_err(|refused| self.refuse(refused.at))
    }

    /// What has happened so far, and what is so now.
    pub fn get_stats(&self) -> RateLimiterStats {
        let admitted = self.own.cell.snapshot(self.ticks.now()).admitted;
        let waiting = self.line.length();
        self.tally.read(admitted, waiting, self.own.in_flight())
    }

    /// Starts counting anew. Budgets, permits and those who wait are left alone.
    pub fn reset_stats(&self) {
        let admitted = self.own.cell.snapshot(self.ticks.now()).admitted;
        self.tally.reset(admitted);
    }

    /// Whole tokens in the bucket now.
    pub fn available_tokens(&self) -> u64 {
        self.own.cell.snapshot(self.ticks.now()).tokens
    }

    /// Whether a budget would refuse a request now.
    pub fn is_limited(&self) -> bool {
        let now = self.ticks.now();
        let above = self.above.as_ref();
        self.own.cell.snapshot(now).limited
            || above.is_some_and(|above| above.cell.snapshot(now).limited)
    }

    /// How long until the budgets admit a request; zero when they do, `None` when they never will.
    pub fn get_retry_after(&self) -> Option<Duration> {
        let now = self.ticks.now();
        let own = self.own.cell.earliest(now)?;
        let above = match &self.above {
            Some(above) => above.cell.earliest(now)?,
            None => now,
        };
        Some(Duration::from_nanos(own.max(above).saturating_sub(now)))
    }

    #[inline]
    fn attempt(&self) -> Result<RateLimitPermit, Refused> {
        if self.line.length() > 0 {
            return Err(Refused { at: None });
        }
        if self.alone {
            self.own.cell.charge(self.ticks.now())?;
            return Ok(RateLimitPermit {
                _own: None,
                _above: None,
            });
        }
        self.attempt_all()
    }

    /// Slots first, so that nobody is charged for nothing.
    #[inline(never)]
    fn attempt_all(&self) -> Result<RateLimitPermit, Refused> {
        let slots = (self.own.try_slot(), self.slot_above());
        let (Some(own), Some(above)) = slots else {
            return Err(Refused { at: None });
        };
        self.charge()?;
        Ok(RateLimitPermit {
            _own: own,
            _above: above,
        })
    }

    fn slot_above(&self) -> Option<Held> {
        self.above
            .as_ref()
            .map_or(Some(None), |above| above.try_slot())
    }

    fn charge(&self) -> Result<(), Refused> {
        let now = self.ticks.now();
        match &self.above {
            None => self.own.cell.charge(now),
            Some(above) => self.own.cell.charge_both(&above.cell, now),
        }
    }

    #[cold]
    async fn over_limit(&self, refused: Refused) -> Result<RateLimitPermit, RateLimitError> {
        let most = match self.config.strategy {
            RateLimitStrategy::Reject | RateLimitStrategy::Fallback => {
                return Err(self.refuse(refused.at));
            }
            RateLimitStrategy::Wait => u32::MAX,
            RateLimitStrategy::Queue => self.config.queue_size,
        };
        let started = self.ticks.now();
        let deadline = started.saturating_add(nanos(self.config.max_wait));
        let outcome = self.wait(most, deadline).await;
        let waited = self.ticks.now().saturating_sub(started);
        match &outcome {
            Ok(_) => self.tally.waited(waited),
            Err(_) => self.tally.rejected(),
        }
        outcome
    }

    /// Waits in line, then for a slot of its own, then for the budgets and a shared slot, all until `deadline`.
    async fn wait(&self, most: u32, deadline: u64) -> Result<RateLimitPermit, RateLimitError> {
        let Ok(place) = self.line.join(most) else {
            let (name, queue_size) = (Arc::clone(&self.name), most);
            return Err(RateLimitError::QueueFull { name, queue_size });
        };
        let late = || self.exceeded(None);
        let head = self.ticks.until(deadline, place.head()).await;
        let _head = head.flatten().ok_or_else(late)?;
        let own = self.own.slot();
        let own = self.ticks.until(deadline, own).await.ok_or_else(late)?;
        loop {
            let above = async {
                match &self.above {
                    Some(above) => above.slot().await,
                    None => None,
                }
            };
            let above = self.ticks.until(deadline, above).await.ok_or_else(late)?;
            match self.charge() {
                Ok(()) => {
                    return Ok(RateLimitPermit {
                        _own: own,
                        _above: above,
                    });
                }
                Err(Refused { at: Some(at) }) if at <= deadline => {
                    // Who waits for its own budget holds up nobody else.
                    drop(above);
                    self.ticks.sleep_until(at).await;
                }
                Err(Refused { at }) => return Err(self.exceeded(at)),
            }
        }
    }

    /// Counts a refusal and says so. Without a time, the budgets may know one.
    fn refuse(&self, at: Option<u64>) -> RateLimitError {
        self.tally.rejected();
        self.exceeded(at)
    }

    fn exceeded(&self, at: Option<u64>) -> RateLimitError {
        let now = self.ticks.now();
        RateLimitError::RateLimitExceeded {
            name: Arc::clone(&self.name),
            retry_after: at.map(|at| Duration::from_nanos(at.saturating_sub(now))),
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("name", &self.name)
            .field("stats", &self.get_stats())
            .finish_non_exhaustive()
    }
}
