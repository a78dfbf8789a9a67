//! Segments: their JSON contract, the step types they are made of, and the checks before a run.

pub mod catalog;
pub mod definition;
pub mod expression;
pub mod handler;
pub mod ports;
