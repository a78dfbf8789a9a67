//! Models made from logs.
//!
//! [`heuristics`] tells from counts what depends on what, [`inductive`] makes a process tree, which is sound whatever the log.
//!
//! Invariant: equal multisets of cases give equal models, in whatever order they were recorded. This module does not judge what
//! it finds; [`conformance`](super::conformance) does.

pub mod heuristics;
pub mod inductive;

pub use self::{
    heuristics::{
        Branching, Gateway, HeuristicsEdge, HeuristicsNet, HeuristicsOptions,
        discover_heuristics_net,
    },
    inductive::{MAX_ACTIVITIES, discover_process_tree_inductive},
};

/// Why no model was made.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum DiscoveryError {
    /// A threshold out of its range, or not a number.
    #[error("`{option}` is {value}, not between {least} and {most}")]
    OutOfRange {
        /// Which option.
        option: &'static str,
        /// What it is.
        value: f64,
        /// The least it may be.
        least: f64,
        /// The most it may be.
        most: f64,
    },
    /// More distinct activities than the algorithm is made for.
    #[error("the log has {activities} distinct activities, over {limit}")]
    TooManyActivities {
        /// How many the log has.
        activities: usize,
        /// How many there may be.
        limit: usize,
    },
}

fn check_range(
    option: &'static str,
    value: f64,
    least: f64,
    most: f64,
) -> Result<(), DiscoveryError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(DiscoveryError::OutOfRange {
        option,
        value,
        least,
        most,
    })
}
