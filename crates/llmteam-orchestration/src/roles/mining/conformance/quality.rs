//! How far a model generalises, and how simple it is.

use super::{ConformanceError, SearchBound, fitness_token_based_replay};
use crate::roles::mining::{PetriNet, Variants};

/// How far a net generalises, from 0 to 1: 1 − the mean over its transitions of 1/√n, where n is how often token replay of the
/// log fires the transition. A transition that never fires counts 1; a net without transitions generalises fully.
///
/// From Buijs, van Dongen and van der Aalst, Quality dimensions in process discovery (2014).
///
/// # Errors
///
/// As [`fitness_token_based_replay`].
pub fn generalization_tbr(
    log: &Variants,
    net: &PetriNet,
    bound: SearchBound,
) -> Result<f64, ConformanceError> {
    let executions = fitness_token_based_replay(log, net, bound)?.executions;
    if executions.is_empty() {
        return Ok(1.0);
    }
    let transitions = executions.len() as f64;
    let penalties = executions.into_iter().map(|times| match times {
        0 => 1.0,
        times => 1.0 / (times as f64).sqrt(),
    });
    Ok(1.0 - penalties.sum::<f64>() / transitions)
}

/// How simple a net is, from above 0 to 1: 1 / (1 + max(0, d − 2)), where d is the mean number of arcs at a node.
///
/// A net without nodes is as simple as can be: 1.
pub fn simplicity_petri_net(net: &PetriNet) -> f64 {
    let nodes = net.places().len() + net.transitions().len();
    if nodes == 0 {
        return 1.0;
    }
    // Every arc is at two nodes.
    let mean = 2.0 * net.arcs() as f64 / nodes as f64;
    1.0 / (1.0 + (mean - 2.0).max(0.0))
}
