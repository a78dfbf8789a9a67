//! The slots in which agents run and the places where they wait, shared by all batches of an executor.
//!
//! Invariant: no more slots are held than there are, no more places are held than there are, slots are handed on
//! in the order of asking, and whatever is dropped is given back. This file does not know what they are held for.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// All slots and places.
#[derive(Debug)]
pub(super) struct Slots {
    free: Semaphore,
    size: Mutex<Size>,
    held: AtomicUsize,
    places: usize,
    waiting: AtomicUsize,
}

/// How many slots there are, and how many must go as soon as they are given back.
#[derive(Debug)]
struct Size {
    slots: usize,
    surplus: usize,
}

/// A slot, held until dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    permit: Option<SemaphorePermit<'a>>,
}

/// A place in the queue, held until dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a AtomicUsize);

impl Slots {
    pub(super) fn new(slots: usize, places: usize) -> Self {
        Self {
            free: Semaphore::new(slots),
            size: Mutex::new(Size { slots, surplus: 0 }),
            held: AtomicUsize::new(0),
            places,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Lets there be so many slots from now on. Those that are held stay so until they are given back.
    pub(super) fn resize(&self, slots: usize) {
        let mut size = self.size();
        if slots == size.slots {
            return;
        }
        if slots > size.slots {
            let more = slots - size.slots;
            let kept = more.min(size.surplus);
            size.surplus -= kept;
            self.free.add_permits(more - kept);
        } else {
            let less = size.slots - slots;
            size.surplus += less - self.free.forget_permits(less);
        }
        size.slots = slots;
    }

    /// A slot that is free now and wanted by nobody who waits.
    pub(super) fn try_take(&self) -> Option<Slot<'_>> {
        self.free
            .try_acquire()
            .ok()
            .map(|permit| self.taken(Some(permit)))
    }

    /// Waits for a slot, in line.
    pub(super) async fn take(&self) -> Slot<'_> {
        // The semaphore is never closed.
        self.taken(self.free.acquire().await.ok())
    }

    fn taken<'a>(&'a self, permit: Option<SemaphorePermit<'a>>) -> Slot<'a> {
        self.held.fetch_add(1, Ordering::Relaxed);
        Slot {
            slots: self,
            permit,
        }
    }

    /// A place in the queue, if one is left.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        let longer = |length: usize| (length < self.places).then(|| length + 1);
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, longer)
            .ok()
            .map(|_| Place(&self.waiting))
    }

    /// How many slots are held.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How many places are held.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.held.fetch_sub(1, Ordering::Relaxed);
        let mut size = self.slots.size();
        if size.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            size.surplus -= 1;
            permit.forget();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let slots = Slots::new(2, 1);
        let (first, second) = (slots.try_take().unwrap(), slots.try_take());
        assert!(second.is_some() && slots.try_take().is_none());
        assert_eq!(slots.held(), 2);
        drop(first);
        assert_eq!(slots.held(), 1);
        assert!(slots.try_take().is_some());
        let place = slots.place();
        assert!(place.is_some() && slots.place().is_none());
        drop(place);
        assert_eq!(slots.waiting(), 0);
    }

    proptest! {
        #[test]
        fn sizes_hold_as_soon_as_slots_come_back(acts in proptest::collection::vec(0_usize..12, 0..100)) {
            let slots = Slots::new(4, 1);
            let (mut size, mut held) = (4, Vec::new());
            for act in acts {
                match act {
                    0..6 => {
                        let slot = slots.try_take();
                        prop_assert_eq!(slot.is_some(), held.len() < size);
                        held.extend(slot);
                    }
                    6..10 => drop(held.pop()),
                    more => {
                        size = more - 9 + held.len() / 2;
                        slots.resize(size);
                    }
                }
                prop_assert_eq!(slots.held(), held.len());
            }
        }
    }
}
