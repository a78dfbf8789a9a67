//! Segments: their JSON contract, the step types they are made of, and the checks before a run.

pub mod catalog;
pub mod definition;
pub mod error;
pub mod expression;
pub mod handler;
pub mod ports;
pub mod schema;
pub mod validate;
