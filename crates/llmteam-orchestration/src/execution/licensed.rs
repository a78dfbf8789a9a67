//! What a licence makes of an executor's configuration.
//!
//! Invariant: the result is a valid configuration, and no larger than the one before. This file does not know how
//! licences are verified.

use super::{
    config::{ExecutionMode, ExecutorConfig},
    error::InvalidExecutorConfig,
};
use crate::licensing::{LicenseManager, Limit, feature};

impl LicenseManager {
    /// The configuration as far as it is licensed now: as many at once as may be, and `Adaptive` in place of
    /// `Parallel` where that is not licensed. Nothing else changes.
    ///
    /// # Errors
    /// [`InvalidExecutorConfig`] where it makes no sense to begin with.
    pub fn enforce(&self, config: ExecutorConfig) -> Result<ExecutorConfig, InvalidExecutorConfig> {
        let config = config.validated()?;
        Ok(ExecutorConfig {
            mode: self.enforced_mode(config.mode),
            max_concurrent: self.enforced_parallelism(config.max_concurrent),
            ..config
        })
    }

    /// As many agents at once as may be, of so many that are wanted; at least one.
    pub(super) fn enforced_parallelism(&self, wanted: usize) -> usize {
        let count = u64::try_from(wanted).unwrap_or(u64::MAX);
        match self.permit(Limit::ParallelAgents, count) {
            Ok(()) => wanted,
            Err(refused) => usize::try_from(refused.allowed).unwrap_or(wanted).max(1),
        }
    }

    pub(super) fn enforced_mode(&self, wanted: ExecutionMode) -> ExecutionMode {
        if wanted == ExecutionMode::Parallel && !self.has_feature(feature::PARALLEL_EXECUTION) {
            ExecutionMode::Adaptive
        } else {
            wanted
        }
    }
}
