//! What all batches of an executor share.
//!
//! Invariant: it says at any moment how many agents may run, as the configuration and the licence have it. This
//! file does not know batches.

use std::sync::Arc;

use llmteam_security::Clock;

use super::{config::ExecutorConfig, slots::Slots, stats::Tally};
use crate::licensing::LicenseManager;

/// What all batches of an executor share.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) config: ExecutorConfig,
    pub(super) clock: Arc<dyn Clock>,
    /// What holds the configuration to a licence, where there is one.
    pub(super) license: Option<LicenseManager>,
    pub(super) slots: Slots,
    pub(super) tally: Tally,
}

impl Host {
    /// How many agents may run at once now, over all batches.
    pub(super) fn most(&self) -> usize {
        let most = self.config.max_concurrent;
        self.license
            .as_ref()
            .map_or(most, |license| license.enforced_parallelism(most))
    }

    pub(super) fn is_backpressure(&self) -> bool {
        let config = &self.config;
        let share = self.slots.waiting() as f64 / config.queue_size as f64;
        config.enable_backpressure && share >= config.backpressure_threshold
    }
}
