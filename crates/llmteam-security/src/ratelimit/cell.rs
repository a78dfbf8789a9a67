//! The limiter's cell: a token bucket and two sliding windows, checked and charged as one.
//!
//! Invariant: in any span of `t` seconds at most `rate * t + burst` requests are admitted, and in any 60 s
//! and any 3,600 s never more than those limits; check and charge are one critical section, which lasts a
//! few instructions and one cache line. Within a part of a window nothing leaves, so that the number still
//! admissible is known when the part begins: the hot path counts it down, and all else happens once per part.
//! This file does not know clocks, waiting, nor who asks. Times are nanoseconds since the cell was made.
//!
//! The bucket is the generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time.

use super::{
    config::RateLimitConfig,
    ring::Ring,
    sync::{Mutex, MutexGuard, lock},
};

const SECOND: u64 = 1_000_000_000;
/// Seconds in a part of the hour, minutes being its 60 parts.
const MINUTE: u64 = 60;

/// A budget refused; the budgets admit a request at `at`, if nobody else takes it. `None`: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) at: Option<u64>,
}

/// What a cell holds at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Requests admitted since the cell was made.
    pub(crate) admitted: u64,
    /// Whole tokens in the bucket.
    pub(crate) tokens: u64,
    /// Whether the next request would be refused.
    pub(crate) limited: bool,
}

/// One bucket and two windows. Cells do not share cache lines.
#[repr(align(128))]
pub(crate) struct Cell {
    state: Mutex<State>,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    /// Nanoseconds between two tokens.
    interval: u64,
    /// Nanoseconds a full bucket is worth.
    depth: u64,
    per_minute: u64,
    per_hour: u64,
}

struct State {
    /// When the bucket is full again.
    arrival: u64,
    /// How many more the windows admit before `until`.
    left: u64,
    /// The end of the current part of the minute.
    until: u64,
    /// The latest time anybody came with.
    latest: u64,
    windows: Box<Windows>,
}

/// What changes once per part.
struct Windows {
    minute: Ring,
    hour: Ring,
    /// `left` when it was last set.
    granted: u64,
    /// Admitted, without `granted - left`.
    admitted: u64,
}

impl Cell {
    /// A full bucket and empty windows. The configuration is a validated one.
    pub(crate) fn new(config: &RateLimitConfig) -> Self {
        // Rounded up, so that rounding never admits more. Conversions from floats saturate.
        let interval = ((SECOND as f64 / config.requests_per_second).ceil() as u64).max(1);
        let limits = Limits {
            interval,
            depth: interval.saturating_mul(config.burst_size.into()),
            per_minute: config.requests_per_minute as u64,
            per_hour: config.requests_per_hour as u64,
        };
        let granted = limits.per_minute.min(limits.per_hour);
        let windows = Windows {
            minute: Ring::new(),
            hour: Ring::new(),
            granted,
            admitted: 0,
        };
        let state = State {
            arrival: 0,
            left: granted,
            until: SECOND,
            latest: 0,
            windows: Box::new(windows),
        };
        Self {
            state: Mutex::new(state),
            limits,
        }
    }

    /// Admits a request and charges it to all three budgets, or changes nothing.
    #[inline]
    pub(crate) fn charge(&self, now: u64) -> Result<(), Refused> {
        let mut state = self.at(now);
        if state.admits(&self.limits) {
            state.charge(&self.limits);
            return Ok(());
        }
        Err(state.refusal(&self.limits))
    }

    /// Admits a request if this cell and `above` both do, and charges both, or changes nothing.
    /// Locks are taken from the inner cell to the one above it, which is above no other.
    pub(crate) fn charge_both(&self, above: &Self, now: u64) -> Result<(), Refused> {
        let mut own = self.at(now);
        if !own.admits(&self.limits) {
            return Err(own.refusal(&self.limits));
        }
        let mut shared = above.at(now);
        if !shared.admits(&above.limits) {
            return Err(shared.refusal(&above.limits));
        }
        own.charge(&self.limits);
        shared.charge(&above.limits);
        Ok(())
    }

    /// Charges a request that was admitted elsewhere, whether or not there is room for it.
    #[cfg(any(test, feature = "redis"))]
    pub(crate) fn charge_regardless(&self, now: u64) {
        let mut state = self.at(now);
        state.settle();
        state.windows.minute.add(1);
        state.windows.hour.add(1);
        state.windows.admitted += 1;
        state.arrival = (state.arrival.max(state.latest)).saturating_add(self.limits.interval);
        state.grant(&self.limits);
    }

    /// What the cell holds at `now`.
    pub(crate) fn snapshot(&self, now: u64) -> Snapshot {
        let state = self.at(now);
        let full = state.latest.saturating_add(self.limits.depth);
        let room = full.saturating_sub(state.arrival.max(state.latest));
        Snapshot {
            admitted: state.windows.admitted + (state.windows.granted - state.left),
            tokens: room / self.limits.interval,
            limited: !state.admits(&self.limits),
        }
    }

    /// When the budgets admit a request if nobody else takes it: `now` or later, `None` for never.
    pub(crate) fn earliest(&self, now: u64) -> Option<u64> {
        let mut state = self.at(now);
        if state.admits(&self.limits) {
            return Some(now);
        }
        state.refusal(&self.limits).at
    }

    /// The state as it is at `now`. A caller that was held up since it read the clock comes as if it had
    /// read it with the last one: that time has passed as well.
    #[inline]
    fn at(&self, now: u64) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.latest = state.latest.max(now);
        if state.latest >= state.until {
            state.turn(&self.limits);
        }
        state
    }
}

impl State {
    #[inline]
    fn admits(&self, limits: &Limits) -> bool {
        let (now, arrival) = (self.latest, self.arrival.max(self.latest));
        self.left > 0 && arrival.saturating_add(limits.interval) <= now.saturating_add(limits.depth)
    }

    #[inline]
    fn charge(&mut self, limits: &Limits) {
        let arrival = self.arrival.max(self.latest);
        self.arrival = arrival.saturating_add(limits.interval);
        self.left -= 1;
    }

    /// Begins the part that holds the latest time.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, limits: &Limits) {
        self.settle();
        let second = self.latest / SECOND;
        self.windows.minute.advance(second);
        self.windows.hour.advance(second / MINUTE);
        self.until = (second + 1).saturating_mul(SECOND);
        self.grant(limits);
    }

    /// Moves what the hot path counted into the windows.
    fn settle(&mut self) {
        let windows = &mut *self.windows;
        let used = windows.granted - self.left;
        windows.minute.add(used);
        windows.hour.add(used);
        windows.admitted += used;
        windows.granted = self.left;
    }

    /// Counts anew how many the windows admit until the part ends.
    fn grant(&mut self, limits: &Limits) {
        let windows = &mut *self.windows;
        let minute = limits.per_minute.saturating_sub(windows.minute.total());
        let hour = limits.per_hour.saturating_sub(windows.hour.total());
        windows.granted = minute.min(hour);
        self.left = windows.granted;
    }

    /// The first time at which all three budgets have room.
    #[cold]
    #[inline(never)]
    fn refusal(&mut self, limits: &Limits) -> Refused {
        self.settle();
        if limits.depth < limits.interval {
            return Refused { at: None };
        }
        let bucket = (self.arrival.saturating_add(limits.interval)).saturating_sub(limits.depth);
        let minute = self.windows.minute.room_from(limits.per_minute);
        let hour = self.windows.hour.room_from(limits.per_hour);
        let minute = minute.saturating_mul(SECOND);
        let hour = hour.saturating_mul(SECOND * MINUTE);
        Refused {
            at: Some(bucket.max(minute).max(hour)),
        }
    }
}
