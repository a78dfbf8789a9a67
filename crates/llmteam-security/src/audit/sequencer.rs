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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{
            AuditEvent, AuditEventType, AuditStore, MemoryAuditStore, store::contract::tenant,
            verify::VerifyOptions,
        },
        clock::SystemClock,
    };

    // covers: AUD-21, AUD-33
    #[tokio::test(flavor = "multi_thread")]
    async fn two_sequencers_append_each_event_once_and_drain_when_stopped() {
        let store = Arc::new(MemoryAuditStore::new().unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let trails: Vec<AuditTrail> = ["a", "b"]
            .iter()
            .map(|id| AuditTrail::new(store.clone(), tenant(id), Arc::clone(&clock)))
            .collect();
        let (stop, stopped) = watch::channel(false);
        let running: Vec<_> = (0..2)
            .map(|_| {
                let sequencer = AuditSequencer::new(trails.clone(), Arc::clone(&clock));
                tokio::spawn(sequencer.run(stopped.clone()))
            })
            .collect();
        for n in 0..400 {
            let event = AuditEvent::new(AuditEventType::AgentCompleted);
            trails[n % 2].log_later(event).await.unwrap();
        }
        stop.send(true).unwrap();
        for sequencer in running {
            sequencer.await.unwrap().unwrap();
        }
        for trail in &trails {
            assert_eq!(store.waiting(trail.tenant()).await.unwrap(), 0);
            assert_eq!(store.count(trail.tenant()), 200);
            assert!(
                trail
                    .verify(VerifyOptions::default())
                    .await
                    .unwrap()
                    .is_valid()
            );
        }
    }
}
