//! The bounds of a pipeline's runs.
//!
//! Invariant: a pipeline checks its configuration before it exists. This file does not know how the bounds are kept.

use std::time::Duration;

use super::error::OrchestrationError;

/// How long and how far the runs of a pipeline may go, and what is kept of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineConfig {
    /// Most decisions of one run; at least 1.
    pub max_steps: u32,
    /// The longest that one run may take.
    pub run_timeout: Duration,
    /// How often one step may be tried again.
    pub max_retries: u32,
    /// The longest that all agents together may take to say in what state they are.
    pub state_timeout: Duration,
    /// Most entries that are kept of one run's history; the oldest leave first.
    pub history_entries: usize,
    /// Of how many runs the history is kept; the oldest leave first.
    pub kept_histories: usize,
    /// Of how many runs it is remembered that they ran, so that running one again counts as its next attempt.
    pub remembered_runs: usize,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            max_steps: 100,
            run_timeout: Duration::from_secs(3600),
            max_retries: 3,
            state_timeout: Duration::from_secs(5),
            history_entries: 100,
            kept_histories: 100,
            remembered_runs: 10_000,
        }
    }
}

impl PipelineConfig {
    /// The configuration itself, once every field makes sense.
    ///
    /// # Errors
    ///
    /// [`OrchestrationError::InvalidConfig`] with all fields that are zero and may not be.
    pub fn validated(self) -> Result<Self, OrchestrationError> {
        let zeros = [
            ("max_steps", self.max_steps == 0),
            ("run_timeout", self.run_timeout.is_zero()),
            ("state_timeout", self.state_timeout.is_zero()),
            ("history_entries", self.history_entries == 0),
            ("kept_histories", self.kept_histories == 0),
            ("remembered_runs", self.remembered_runs == 0),
        ];
        let fields: Vec<&'static str> = zeros
            .into_iter()
            .filter_map(|(field, is_zero)| is_zero.then_some(field))
            .collect();
        if fields.is_empty() {
            Ok(self)
        } else {
            Err(OrchestrationError::InvalidConfig { fields })
        }
    }
}
