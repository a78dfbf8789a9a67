//! The crate from outside.

mod context;
