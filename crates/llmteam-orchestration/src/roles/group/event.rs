//! What a group tells whoever watches it.
//!
//! Invariant: events of one run come in the order in which they happen. Watching changes nothing.
//! This module does not know who watches.

use super::{super::run::RunPath, decision::GroupOrchestrationDecision, outcome::PipelineOutcome};

/// What happened in a run of a group.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum GroupEvent<'a> {
    /// It was decided what happens with the input.
    Decided {
        /// The run.
        run: &'a RunPath,
        /// What was decided.
        decision: &'a GroupOrchestrationDecision,
    },
    /// Somebody above must see to it.
    Escalated {
        /// The run.
        run: &'a RunPath,
        /// What was decided, with the reason.
        decision: &'a GroupOrchestrationDecision,
    },
    /// A pipeline's part is over. These come together, when all parts are over.
    PipelineEnded {
        /// The run.
        run: &'a RunPath,
        /// What became of it.
        outcome: &'a PipelineOutcome,
    },
}

/// Watches a group.
pub trait GroupObserver: Send + Sync {
    /// Something happened. Whoever takes long here holds the run up.
    fn observe(&self, event: GroupEvent<'_>);
}
