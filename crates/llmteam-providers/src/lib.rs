//! The providers layer of llmteam.
