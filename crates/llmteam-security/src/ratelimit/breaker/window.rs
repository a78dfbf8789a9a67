//! The latest results of a closed circuit: how many there are, how many are bad, how many failed in a row.
//!
//! Invariant: the window holds the last `sample_size` results, without those known to be older than `window`;
//! only bad ones are remembered one by one. A success has no time of its own, so that counting it takes no
//! clock: it is dated by the next bad result, or by the present while there is none.
//! This file does not know what opens a circuit.

use std::collections::VecDeque;

use crate::ratelimit::{config::CircuitBreakerConfig, ticks::nanos};

/// The results since the circuit closed.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The success counter when the window began.
    base: u64,
    /// Bad results in the window, oldest first.
    bad: VecDeque<Bad>,
    /// All bad results so far.
    all_bad: u64,
    /// The number of the last result that left because of its age.
    aged: u64,
    /// Failures since the last success, and the number of successes before them.
    streak: (u32, u64),
}

#[derive(Debug)]
struct Bad {
    /// The number of this result, counted from 1 over good and bad ones.
    number: u64,
    at: u64,
}

/// What the window shows after a bad result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) consecutive: u32,
    pub(super) bad: u32,
    pub(super) total: u32,
}

impl Window {
    /// An empty window; `base` is what the success counter shows.
    pub(super) fn new(base: u64) -> Self {
        Self {
            base,
            ..Self::default()
        }
    }

    /// Adds a failure, or a slow success, at `now`, when the success counter shows `successes`.
    pub(super) fn add_bad(
        &mut self,
        config: &CircuitBreakerConfig,
        failed: bool,
        successes: u64,
        now: u64,
    ) -> Sight {
        let successes = successes.saturating_sub(self.base);
        self.all_bad += 1;
        let number = successes + self.all_bad;
        self.bad.push_back(Bad { number, at: now });
        let consecutive = self.lengthen(failed, successes);
        self.shorten(config, number, now);
        let total = (number - self.aged).min(config.sample_size.into());
        Sight {
            consecutive,
            bad: u32::try_from(self.bad.len()).unwrap_or(u32::MAX),
            total: u32::try_from(total).unwrap_or(u32::MAX),
        }
    }

    fn lengthen(&mut self, failed: bool, successes: u64) -> u32 {
        let (streak, before) = self.streak;
        let unbroken = if before == successes { streak } else { 0 };
        let streak = if failed {
            unbroken.saturating_add(1)
        } else {
            0
        };
        self.streak = (streak, successes);
        streak
    }

    /// Lets go of what is too old or too far back.
    fn shorten(&mut self, config: &CircuitBreakerConfig, number: u64, now: u64) {
        let age = nanos(config.window);
        while let Some(oldest) = self.bad.front() {
            let aged = now.saturating_sub(oldest.at) > age;
            if aged {
                // The successes before it are dated no later.
                self.aged = oldest.number;
            } else if number - oldest.number < config.sample_size.into() {
                break;
            }
            self.bad.pop_front();
        }
    }
}
