//! One budget for many processes, kept in Redis.
//!
//! Invariant: while Redis answers, all processes together stay within the budgets, without slack: check and
//! charge are one script, on the server's clock. While it does not, each process has its share, limit divided
//! by instances, less what it was granted before; nobody is ever unlimited. What is granted meanwhile is owed,
//! and charged when Redis is back. Each loss of Redis can therefore cost at most one budget more.
//! This file does not know what is requested. A request that is dropped during the round trip may have been
//! charged: the budget errs to the safe side.

mod remote;

use std::{fmt, sync::Arc, time::Duration};

use self::remote::Remote;
use super::{
    budget::Budget,
    cell::Refused,
    config::{RateLimitConfig, RateLimitStrategy},
    error::{RateLimitError, checked_name},
    limiter::RateLimitPermit,
    line::Line,
    sync::atomic::{AtomicU64, Ordering},
    ticks::{Ticks, nanos},
};
use crate::{clock::Clock, id::TenantId};

/// How long Redis is left alone after it failed.
const LEAVE_ALONE: Duration = Duration::from_secs(1);

/// Whose budget it is, and what it is.
#[derive(Clone, Debug)]
pub struct SharedLimit {
    /// The tenant.
    pub tenant: TenantId,
    /// The endpoint, 1 to 256 bytes.
    pub endpoint: String,
    /// The budgets of all processes together. `max_concurrent` and `queue_size` are those of one process.
    pub config: RateLimitConfig,
    /// How many processes there are, for their shares while Redis does not answer.
    pub instances: u32,
}

/// Keeps the requests of many processes within one budget. Share it by `Arc`.
pub struct SharedRateLimiter {
    remote: Remote,
    /// This process's share, for when Redis does not answer; charged with every grant.
    share: Budget,
    owed: AtomicU64,
    down_until: AtomicU64,
    line: Line,
    ticks: Ticks,
    name: Arc<str>,
    config: RateLimitConfig,
}

impl SharedRateLimiter {
    /// A limiter on the Redis server at `url`. No connection is made yet.
    ///
    /// # Errors
    /// [`RateLimitError::InvalidConfig`], also when a share would be less than one request, or the URL is
    /// none; [`RateLimitError::InvalidName`].
    pub fn new(
        url: &str,
        limit: SharedLimit,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RateLimitError> {
        let config = limit.config.validated()?;
        let share = share(&config, limit.instances)?;
        let name = checked_name(&limit.endpoint)?;
        Ok(Self {
            remote: Remote::new(url, &limit.tenant, &name, &config)?,
            share: Budget::new(&share),
            owed: AtomicU64::new(0),
            down_until: AtomicU64::new(0),
            line: Line::new(),
            ticks: Ticks::new(clock),
            name,
            config,
        })
    }

    /// Admission for one request, as the strategy says; see [`super::RateLimiter::acquire`].
    ///
    /// # Errors
    /// As there. That Redis does not answer is no error.
    pub async fn acquire(&self) -> Result<RateLimitPermit, RateLimitError> {
        let most = match self.config.strategy {
            RateLimitStrategy::Reject | RateLimitStrategy::Fallback => {
                let slot = self.share.try_slot().ok_or_else(|| self.exceeded(None))?;
                self.ask()
                    .await
                    .map_err(|refused| self.exceeded(refused.at))?;
                return Ok(RateLimitPermit::of(slot));
            }
            RateLimitStrategy::Wait => u32::MAX,
            RateLimitStrategy::Queue => self.config.queue_size,
        };
        let deadline = (self.ticks.now()).saturating_add(nanos(self.config.max_wait));
        self.wait(most, deadline).await
    }

    /// Whether Redis failed a moment ago, so that this process goes by its own share.
    pub fn is_on_its_own(&self) -> bool {
        self.ticks.now() < self.down_until.load(Ordering::Acquire)
    }

    async fn wait(&self, most: u32, deadline: u64) -> Result<RateLimitPermit, RateLimitError> {
        let Ok(place) = self.line.join(most) else {
            let (name, queue_size) = (Arc::clone(&self.name), most);
            return Err(RateLimitError::QueueFull { name, queue_size });
        };
        let late = || self.exceeded(None);
        let head = self.ticks.until(deadline, place.head()).await;
        let _head = head.flatten().ok_or_else(late)?;
        let slot = self.ticks.until(deadline, self.share.slot()).await;
        let slot = slot.ok_or_else(late)?;
        loop {
            match self.ask().await {
                Ok(()) => return Ok(RateLimitPermit::of(slot)),
                Err(Refused { at: Some(at) }) if at <= deadline => self.ticks.sleep_until(at).await,
                Err(Refused { at }) => return Err(self.exceeded(at)),
            }
        }
    }

    /// Redis, or the own share where it does not answer.
    async fn ask(&self) -> Result<(), Refused> {
        if !self.is_on_its_own() {
            // Paid back unless the server says that it has charged it.
            let mut debt = Debt(&self.owed, self.owed.swap(0, Ordering::AcqRel));
            if let Some(answer) = self.remote.ask(debt.1).await {
                debt.1 = 0;
                return self.answered(answer);
            }
            let until = (self.ticks.now()).saturating_add(nanos(LEAVE_ALONE));
            self.down_until.store(until, Ordering::Release);
        }
        self.share.cell.charge(self.ticks.now())?;
        self.owed.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn answered(&self, micros: i64) -> Result<(), Refused> {
        let now = self.ticks.now();
        match u64::try_from(micros) {
            Ok(0) => {
                self.share.cell.charge_regardless(now);
                Ok(())
            }
            Ok(micros) => Err(Refused {
                at: Some(now.saturating_add(micros.saturating_mul(1000))),
            }),
            Err(_) => Err(Refused { at: None }),
        }
    }

    fn exceeded(&self, at: Option<u64>) -> RateLimitError {
        let now = self.ticks.now();
        RateLimitError::RateLimitExceeded {
            name: Arc::clone(&self.name),
            retry_after: at.map(|at| Duration::from_nanos(at.saturating_sub(now))),
        }
    }

    /// Goes by the own share for a while, as if Redis had failed.
    #[cfg(test)]
    pub(crate) fn lose_redis(&self, lost: bool) {
        let until = if lost { u64::MAX } else { 0 };
        self.down_until.store(until, Ordering::Release);
    }
}

/// Grants that Redis does not know of; back in the books when dropped.
struct Debt<'a>(&'a AtomicU64, u64);

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(self.1, Ordering::AcqRel);
    }
}

/// What one of so many processes may do by itself.
fn share(config: &RateLimitConfig, instances: u32) -> Result<RateLimitConfig, RateLimitError> {
    let rule = "at least 1, and few enough that each has a request of every limit as its share";
    let among = f64::from(instances);
    let share = RateLimitConfig {
        requests_per_second: config.requests_per_second / among,
        requests_per_minute: config.requests_per_minute / among,
        requests_per_hour: config.requests_per_hour / among,
        burst_size: config.burst_size.checked_div(instances).unwrap_or(0),
        ..config.clone()
    };
    let burst = share.burst_size > 0 || config.burst_size == 0;
    match share.validated() {
        Ok(share) if instances > 0 && burst => Ok(share),
        _ => Err(RateLimitError::invalid("instances", &instances, rule)),
    }
}

impl fmt::Debug for SharedRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRateLimiter")
            .field("name", &self.name)
            .field("on_its_own", &self.is_on_its_own())
            .finish_non_exhaustive()
    }
}
