//! Every order of events that a scheduler can find in limiter and breaker.
//!
//! The sources of the module are included here beside another `sync`: their locks and atomics are those of
//! shuttle, which runs the threads of a test one step at a time, in an order of its choice.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "a part of the module, seen by nobody but these tests"
)]

use llmteam_security::clock;

#[path = "."]
mod ratelimit {
    pub mod sync {
        //! The primitives of the scheduler.

        pub use shuttle::sync::{Mutex, MutexGuard, atomic};
        pub use std::sync::PoisonError;

        pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
            mutex.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[path = "../../src/ratelimit/breaker/mod.rs"]
    pub mod breaker;
    #[path = "../../src/ratelimit/budget.rs"]
    pub mod budget;
    #[path = "../../src/ratelimit/cell.rs"]
    pub mod cell;
    #[path = "../../src/ratelimit/config.rs"]
    pub mod config;
    #[path = "../../src/ratelimit/error.rs"]
    pub mod error;
    #[path = "../../src/ratelimit/limiter.rs"]
    pub mod limiter;
    #[path = "../../src/ratelimit/line.rs"]
    pub mod line;
    #[path = "../../src/ratelimit/ring.rs"]
    pub mod ring;
    #[path = "../../src/ratelimit/seconds.rs"]
    pub mod seconds;
    #[path = "../../src/ratelimit/stats.rs"]
    pub mod stats;
    #[path = "../../src/ratelimit/ticks.rs"]
    pub mod ticks;
}

mod breaker;
mod hands;
mod limiter;

/// Runs `test` in so many random orders, and again in orders that change at few, badly chosen places.
fn in_many_orders(test: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(test, 10_000);
    shuttle::check_pct(test, 5_000, 3);
}
