//! The system from outside: what the tests of the whole workspace share.
//!
//! [`conformance`] runs case files against an engine; [`oracle`] is a naive interpreter of the
//! execution rules that the engine is compared with.

pub mod conformance;
pub mod oracle;
