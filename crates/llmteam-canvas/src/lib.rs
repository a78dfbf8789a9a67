//! The canvas layer of llmteam: the graph people draw and its execution.
//!
//! This crate knows no route and no pixel.

pub mod canvas;
pub mod events;
pub mod mining;
pub mod runtime;
