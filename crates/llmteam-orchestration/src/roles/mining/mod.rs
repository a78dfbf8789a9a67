//! Process mining: what the work really was, read from what was recorded.
//!
//! [`variants`] is the log as the algorithms see it: sequences of activities, equal ones counted once.
//! This module knows no run, no journal and no graph; who has those makes a log of them.

pub mod variants;

pub use variants::{ActivityIndex, TooManyActivities, Variant, Variants};
