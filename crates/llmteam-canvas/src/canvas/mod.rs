//! Segments: their JSON contract, the step types they are made of, the checks before a run, and the run.

pub mod catalog;
pub mod definition;
pub mod error;
pub mod expression;
pub mod handler;
mod loops;
pub mod machine;
pub mod plan;
pub mod ports;
pub mod runner;
pub mod schema;
pub mod validate;
