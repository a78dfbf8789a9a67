//! How well a log and a model agree.
//!
//! [`replay`] plays cases on a net and counts the tokens that are missing and left over, [`alignment`] finds for each case the
//! nearest behaviour of the model, [`precision`] asks how much more the model allows than was seen, [`quality`] how far it
//! generalises and how simple it is. Each variant of a log is looked at once and counts for all its cases.
//!
//! Invariant: every figure is computed from log and net, never assumed; equal logs and nets give equal results, down to
//! the choice among equally good alignments. This module does not know how a model was found.

pub mod alignment;
mod labels;
pub mod precision;
pub mod quality;
pub mod replay;
mod silent;
mod space;
#[cfg(test)]
mod tests;

pub use self::{
    alignment::{
        Alignment, AlignmentDeviation, AlignmentFitness, DeviationKind, Move, fitness_alignments,
    },
    precision::{precision_alignments, precision_token_based_replay},
    quality::{generalization_tbr, simplicity_petri_net},
    replay::{ReplayFitness, TraceReplay, fitness_token_based_replay},
};

/// How far a search may go before it gives up.
///
/// The markings of a net may be infinitely many, and very many where much is optional and parallel at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchBound {
    /// The most states that the search for one trace may visit, and the most markings that are kept for a log.
    pub states: usize,
}

impl Default for SearchBound {
    fn default() -> Self {
        Self { states: 500_000 }
    }
}

impl SearchBound {
    fn check(self, states: usize) -> Result<(), ConformanceError> {
        if states <= self.states {
            return Ok(());
        }
        Err(ConformanceError::TooManyStates { bound: self.states })
    }
}

/// Why a log cannot be compared with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConformanceError {
    /// The search passed its [`SearchBound`].
    #[error("the search passed its bound of {bound} states")]
    TooManyStates {
        /// The bound.
        bound: usize,
    },
    /// Nothing that the net can do ends in its final marking.
    #[error("the net cannot reach its final marking")]
    FinalMarkingUnreachable,
}
