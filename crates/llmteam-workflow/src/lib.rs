//! The workflow layer of llmteam.
