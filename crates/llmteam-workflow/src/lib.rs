//! The workflow layer of llmteam.

pub mod egress;
pub mod human;
pub mod persistence;
