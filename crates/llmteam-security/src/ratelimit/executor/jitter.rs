//! The randomness of retry delays.
//!
//! Invariant: a draw is at least 0 and less than 1. This file does not know what is delayed.

use std::fmt;

/// Where random shares come from. Full jitter waits such a share of the longest delay, so that callers who
/// failed together do not come back together.
pub trait Jitter: Send + Sync + fmt::Debug {
    /// A number from 0 up to, and without, 1.
    fn draw(&self) -> f64;
}

/// The machine's source of randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemJitter;

impl Jitter for SystemJitter {
    fn draw(&self) -> f64 {
        // 53 bits are what a float holds. Without a source of randomness everybody waits half.
        getrandom::u64().map_or(0.5, |bits| (bits >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// Always nearly the longest delay; for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJitter;

impl Jitter for NoJitter {
    fn draw(&self) -> f64 {
        1.0 - f64::EPSILON
    }
}
