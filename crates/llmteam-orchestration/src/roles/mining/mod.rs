//! Process mining: what the work really was, read from what was recorded.
//!
//! [`variants`] is the log as the algorithms see it: sequences of activities, equal ones counted once. [`petri`] and [`tree`]
//! are the models of what may happen, [`conformance`] is how well a log and a model agree.
//! This module knows no run, no journal and no graph; who has those makes a log of them.

pub mod conformance;
#[cfg(test)]
pub(crate) mod nets;
pub mod petri;
pub mod tree;
pub mod variants;

pub use conformance::simplicity_petri_net;
pub use petri::{Marking, PetriNet, PetriNetError, PetriNetFault};
pub use tree::{Operator, ProcessTree, ProcessTreeError, ProcessTreeParseError};
pub use variants::{ActivityIndex, TooManyActivities, Variant, Variants};
