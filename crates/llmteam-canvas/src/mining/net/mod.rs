//! The design of a segment as a net: what its steps may do, in which order.
//!
//! Invariant: the net of a plan has one labelled transition for each reachable step, whose label is the step's id, and accepts
//! every completed run of the plan: its steps in the order in which they began, those included whose failure was handled
//! or absorbed. It allows more than the machine in these ways, and in no other known:
//!
//! - a loop may repeat any number of times, `max_iterations` is not counted;
//! - steps that may run side by side may do so in any order, whatever mode and slots say;
//! - conditions on edges are not evaluated, each may hold or not;
//! - a handler of a type of one's own may fill any of its ports;
//! - a step of a loop is decided freely where it is a race, or fed away by one, and has edges from outside the loop, or where
//!   these come from more than one level further out.
//!
//! This module does not know logs or runs.

mod build;
mod draft;
mod outcomes;
mod scopes;
#[cfg(test)]
mod tests;

use llmteam_orchestration::roles::mining::{PetriNet, PetriNetError};

use crate::canvas::plan::ExecutionPlan;

/// The workflow net of a plan: from one token in its first place to one in `run/end`.
///
/// # Errors
///
/// Only for a plan with more edges than a net has nodes.
pub fn net_of_plan(plan: &ExecutionPlan) -> Result<PetriNet, PetriNetError> {
    build::build(plan)
}
