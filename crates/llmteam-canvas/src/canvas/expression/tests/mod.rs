//! The language as a whole: conformance, limits, and texts that were written to break it.

mod conformance;
mod limits;
mod robustness;
