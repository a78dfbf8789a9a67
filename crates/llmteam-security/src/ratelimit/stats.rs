//! What a limiter has done.
//!
//! Invariant: a snapshot is taken from the live state, so that it is true without any request coming; each
//! request is counted once, as admitted, rejected or waiting. Admissions are counted by the cell, which
//! counts them anyway; here are the rare cases only.

use std::time::Duration;

use serde::Serialize;

use super::{
    seconds,
    sync::atomic::{AtomicU64, Ordering},
};

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RateLimiterStats {
    /// All requests: successful, rejected and waiting.
    pub total_requests: u64,
    /// Requests that were admitted.
    pub successful_requests: u64,
    /// Requests that were refused, at once or after waiting. One that gave up by itself is in no figure.
    pub rejected_requests: u64,
    /// Requests that were admitted after waiting.
    pub queued_requests: u64,
    /// How long those waited, together. In JSON a number of seconds.
    #[serde(with = "seconds")]
    pub total_wait_time: Duration,
    /// How many wait now.
    pub current_queue_size: u32,
    /// How many permits are held now; `None` where concurrency has no cap.
    pub in_flight: Option<u32>,
}

impl RateLimiterStats {
    /// Rejected of all requests, 0 to 1.
    pub fn rejection_rate(&self) -> f64 {
        share(self.rejected_requests as f64, self.total_requests)
    }

    /// Time waited per admitted request.
    pub fn average_wait_time(&self) -> Duration {
        let seconds = share(self.total_wait_time.as_secs_f64(), self.successful_requests);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

pub(super) fn share(part: f64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rejected: AtomicU64,
    queued: AtomicU64,
    wait_nanos: AtomicU64,
    /// What the cell had admitted when counting began.
    baseline: AtomicU64,
}

impl Tally {
    pub(super) fn rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn waited(&self, nanos: u64) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.wait_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn reset(&self, admitted: u64) {
        self.rejected.store(0, Ordering::Relaxed);
        self.queued.store(0, Ordering::Relaxed);
        self.wait_nanos.store(0, Ordering::Relaxed);
        self.baseline.store(admitted, Ordering::Relaxed);
    }

    pub(super) fn read(
        &self,
        admitted: u64,
        waiting: u32,
        in_flight: Option<u32>,
    ) -> RateLimiterStats {
        let successful = admitted.saturating_sub(self.baseline.load(Ordering::Relaxed));
        let rejected = self.rejected.load(Ordering::Relaxed);
        RateLimiterStats {
            total_requests: successful + rejected + u64::from(waiting),
            successful_requests: successful,
            rejected_requests: rejected,
            queued_requests: self.queued.load(Ordering::Relaxed),
            total_wait_time: Duration::from_nanos(self.wait_nanos.load(Ordering::Relaxed)),
            current_queue_size: waiting,
            in_flight,
        }
    }
}
