//! A journal that does not fit its plan.

use crate::canvas::machine::StepStatus;

/// Why a record cannot follow those before it. The run is quarantined: the journal is damaged or
/// belongs to another plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The record names a step that the plan does not have.
    #[error("a `{kind}` record names step {step}, but the plan has {steps}")]
    UnknownStep {
        /// Kind of the record.
        kind: &'static str,
        /// The step's position.
        step: usize,
        /// Number of steps in the plan.
        steps: usize,
    },
    /// The step is not where the record needs it to be.
    #[error("a `{kind}` record needs step `{step}` in another state than {status:?}")]
    WrongStep {
        /// Kind of the record.
        kind: &'static str,
        /// The step's id.
        step: String,
        /// Where the step is.
        status: StepStatus,
    },
    /// The run is not where the record needs it to be.
    #[error("a `{kind}` record cannot follow: the run is {phase}")]
    WrongPhase {
        /// Kind of the record.
        kind: &'static str,
        /// What the run is doing.
        phase: &'static str,
    },
    /// Events were numbered differently when the record was written.
    #[error("a `{kind}` record starts at event {found}, but the next event is {expected}")]
    EventNumber {
        /// Kind of the record.
        kind: &'static str,
        /// The number in the record.
        found: u64,
        /// The number that the fold has reached.
        expected: u64,
    },
}
