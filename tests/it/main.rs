//! The system from outside.

mod conformance;
