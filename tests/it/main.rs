//! The system from outside.

mod conformance;
mod equivalence;
mod mining;
