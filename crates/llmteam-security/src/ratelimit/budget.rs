//! A budget: the cell of an endpoint and the slots of its concurrent requests.
//!
//! Invariant: a slot is held by exactly one permit and comes free when that is dropped, at any await.
//! This file does not know names, strategies, nor how anybody waits.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{cell::Cell, config::RateLimitConfig};

/// Budgets over time, and the number of requests under way.
pub(crate) struct Budget {
    pub(crate) cell: Cell,
    slots: Option<Slots>,
}

struct Slots {
    free: Arc<Semaphore>,
    most: u32,
}

/// A slot of each budget that has any.
pub(crate) type Held = Option<OwnedSemaphorePermit>;

impl Budget {
    /// The configuration is a validated one.
    pub(crate) fn new(config: &RateLimitConfig) -> Self {
        let slots = config.max_concurrent.map(|most| Slots {
            free: Arc::new(Semaphore::new(most as usize)),
            most,
        });
        Self {
            cell: Cell::new(config),
            slots,
        }
    }

    /// A slot, if one is free or none is needed.
    #[inline]
    pub(crate) fn try_slot(&self) -> Option<Held> {
        match &self.slots {
            None => Some(None),
            Some(slots) => Arc::clone(&slots.free).try_acquire_owned().ok().map(Some),
        }
    }

    /// Waits for a slot, in the order of asking.
    pub(crate) async fn slot(&self) -> Held {
        match &self.slots {
            None => None,
            // The semaphore is never closed.
            Some(slots) => Arc::clone(&slots.free).acquire_owned().await.ok(),
        }
    }

    /// How many slots are held; `None` where there is no cap.
    pub(crate) fn in_flight(&self) -> Option<u32> {
        let slots = self.slots.as_ref()?;
        let free = u32::try_from(slots.free.available_permits()).unwrap_or(u32::MAX);
        Some(slots.most.saturating_sub(free))
    }
}
