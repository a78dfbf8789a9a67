//! Umbrella of the llmteam layers.
