//! The security layer of llmteam.
