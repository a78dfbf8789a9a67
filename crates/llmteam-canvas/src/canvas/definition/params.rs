//! The run parameters a segment carries.

use std::time::Duration;

use serde::Serialize;

use super::number;

/// Parameters of every run of a segment, unless the run's own configuration overrides them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentParams {
    /// Further attempts of a step after its first.
    pub max_retries: u32,
    /// The limit of a whole run in seconds; 0 means none.
    #[serde(serialize_with = "number::serialize")]
    pub timeout_seconds: f64,
    /// Whether ready steps run side by side.
    pub parallel_execution: bool,
    /// Iterations of a loop before the run fails; written only when it is not the default.
    #[serde(skip_serializing_if = "is_default_iterations")]
    pub max_iterations: u32,
}

const DEFAULT_ITERATIONS: u32 = 100;

impl Default for SegmentParams {
    fn default() -> Self {
        Self {
            max_retries: 3,
            timeout_seconds: 300.0,
            parallel_execution: false,
            max_iterations: DEFAULT_ITERATIONS,
        }
    }
}

impl SegmentParams {
    /// The limit of a run; none for 0, and none for a number no duration can hold.
    pub fn timeout(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.timeout_seconds)
            .ok()
            .filter(|limit| !limit.is_zero())
    }
}

fn is_default_iterations(iterations: &u32) -> bool {
    *iterations == DEFAULT_ITERATIONS
}
