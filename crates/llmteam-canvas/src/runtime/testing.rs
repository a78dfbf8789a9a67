//! Runtimes for tests.

use std::sync::Arc;

use llmteam_security::clock::{ManualClock, Timestamp};

use super::RuntimeContext;

/// A runtime of tenant `t` at the epoch, without resources.
pub(crate) fn runtime(run_id: &str) -> RuntimeContext {
    let clock = ManualClock::new(Timestamp::from_micros(0));
    RuntimeContext::builder("t".parse().unwrap(), Arc::new(clock))
        .run_id(run_id.parse::<llmteam_security::id::RunId>().unwrap())
        .build()
}
