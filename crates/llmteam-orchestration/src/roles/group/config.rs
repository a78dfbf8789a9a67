//! What a group is told.
//!
//! Invariant: a group checks its configuration before it exists. This file does not know how the terms are kept.

use std::time::Duration;

use llmteam_security::ratelimit::CircuitBreakerConfig;

use super::aggregate::AggregationOptions;
use crate::licensing::LicenseManager;

/// The terms of a group.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// When a failing pipeline cools down, for how long, and how it comes back.
    pub circuit: CircuitBreakerConfig,
    /// How results are combined.
    pub aggregation: AggregationOptions,
    /// Of how many runs the results are kept, for combining them later; the oldest leave first.
    pub kept_results: usize,
    /// Of how many runs it is remembered that they ran, so that running one again counts as its next attempt.
    pub remembered_runs: usize,
    /// What is licensed: how many pipelines are registered, and how many run at once. `None` limits nothing.
    pub license: Option<LicenseManager>,
}

/// Three failures in a row let a pipeline cool down for 30 s, at most 5 min; one probe that may take an hour brings it back.
impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            circuit: CircuitBreakerConfig {
                failure_threshold: 3,
                max_open_timeout: Duration::from_secs(300),
                half_open_max_requests: 1,
                probe_lease: Duration::from_secs(3600),
                success_threshold: 1,
                ..CircuitBreakerConfig::default()
            },
            aggregation: AggregationOptions::default(),
            kept_results: 100,
            remembered_runs: 10_000,
            license: None,
        }
    }
}
