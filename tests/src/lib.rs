//! The system from outside: what the tests of the whole workspace share.
//!
//! [`conformance`] runs case files against an engine; [`oracle`] is a naive interpreter of the
//! execution rules that the engine is compared with; [`simulation`] drives the engine's machine
//! by itself, in virtual time.

pub mod conformance;
pub mod oracle;
pub mod simulation;
