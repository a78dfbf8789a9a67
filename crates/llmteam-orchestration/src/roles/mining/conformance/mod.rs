//! How well a log and a model agree.
//!
//! [`quality`] judges a model by its shape.
//! This module does not know how a model was found.

pub mod quality;

pub use quality::simplicity_petri_net;
