//! Appends what was put aside, a few milliseconds later and many at once.
//!
//! Invariant: an event is taken out and appended in one transaction, so that none is lost or appended twice, however
//! many sequencers run. When none runs, events wait, bounded and visible; nothing else stops.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{error::AuditError, trail::AuditTrail};
use crate::clock::{Clock, Wake};

/// Most events of one transaction.
pub(super) const BATCH: u32 = 256;
/// How long an event waits for others.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a sequencer rests when there was nothing, or an error.
const REST: Duration = Duration::from_millis(50);

/// Drains the waiting events of some trails.
#[derive(Debug)]
pub struct AuditSequencer {
    trails: Vec<AuditTrail>,
    clock: Arc<dyn Clock>,
}

impl AuditSequencer {
    /// A sequencer for `trails`.
    pub fn new(trails: Vec<AuditTrail>, clock: Arc<dyn Clock>) -> Self {
        Self { trails, clock }
    }

    /// Drains until `stop` becomes true, and then what is left. An error of one log is no reason to stop: the next
    /// round tries again.
    ///
    /// # Errors
    /// When what is left at the end cannot be drained.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), AuditError> {
        while !*stop.borrow() {
            let mut drained = 0;
            for trail in &self.trails {
                drained += trail.drain(BATCH).await.unwrap_or(0);
            }
            let pause = if drained > 0 { PAUSE } else { REST };
            let until = self.clock.now().saturating_add(pause);
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                () = self.clock.sleep_until(until, Wake::Timer) => {}
            }
        }
        for trail in &self.trails {
            trail.flush().await?;
        }
        Ok(())
    }
}
