//! What the contexts of all steps of one run share.

use std::sync::Arc;

use super::{RuntimeContext, StepLink, StepSpec};

/// One run as its steps see it. Each run has its own, so steps of different runs share no counter.
pub(crate) struct SharedRun {
    pub(super) runtime: RuntimeContext,
    pub(super) steps: Arc<[Arc<StepSpec>]>,
    pub(super) link: Arc<dyn StepLink>,
}

impl SharedRun {
    /// A run in `runtime` over the steps of its plan; `link` leads to its scheduler.
    pub(crate) fn new(
        runtime: RuntimeContext,
        steps: Arc<[Arc<StepSpec>]>,
        link: Arc<dyn StepLink>,
    ) -> Self {
        Self {
            runtime,
            steps,
            link,
        }
    }
}
