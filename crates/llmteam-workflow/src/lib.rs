//! The workflow layer of llmteam.

pub mod human;
