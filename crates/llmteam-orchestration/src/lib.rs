//! The orchestration layer of llmteam.
