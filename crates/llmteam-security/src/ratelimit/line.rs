//! The line of those who wait: first come, first served, bounded.
//!
//! Invariant: at most as many wait as were allowed, at most one is at the head, and the length is true at
//! any moment; whoever leaves, served or dropped, makes room by that. This file does not know what they wait for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::sync::atomic::{AtomicU32, Ordering};

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    /// One permit: being at the head. The semaphore hands it on in the order of asking.
    head: Arc<Semaphore>,
    length: AtomicU32,
}

/// The line is as long as it may be.
pub(super) struct Full;

/// A place in a line, held until dropped.
pub(super) struct Place<'a> {
    line: &'a Line,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            head: Arc::new(Semaphore::new(1)),
            length: AtomicU32::new(0),
        }
    }

    /// How many are in the line, its head included.
    #[inline]
    pub(super) fn length(&self) -> u32 {
        self.length.load(Ordering::Acquire)
    }

    /// Takes the last place, if fewer than `most` are taken.
    pub(super) fn join(&self, most: u32) -> Result<Place<'_>, Full> {
        let longer = |length: u32| (length < most).then(|| length + 1);
        self.length
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, longer)
            .map(|_| Place { line: self })
            .map_err(|_| Full)
    }
}

impl Place<'_> {
    /// Waits to be at the head. The caller stays there until it drops what this returns.
    pub(super) async fn head(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed; `None` would be refused like a deadline that passed.
        Arc::clone(&self.line.head).acquire_owned().await.ok()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.length.fetch_sub(1, Ordering::AcqRel);
    }
}
