//! The canvas layer of llmteam.
