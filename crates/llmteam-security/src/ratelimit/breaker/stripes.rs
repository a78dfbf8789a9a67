//! A counter that many threads add to without meeting.
//!
//! Invariant: every addition is in the sum of whoever reads later; threads add to different cache lines as
//! long as there are no more of them than stripes. Counts are kept apart by epoch, modulo four, so that an
//! addition that comes late, by a thread that was held up while the circuit opened and closed again, is not
//! taken for one of the present. This file does not know what is counted.

use std::{cell::Cell, sync::atomic::AtomicUsize};

use crate::ratelimit::sync::atomic::{AtomicU64, Ordering};

/// A power of two.
const STRIPES: usize = 16;
/// Epochs told apart; a power of two.
const EPOCHS: usize = 4;

/// The counter.
pub(super) struct Stripes {
    stripes: Box<[Stripe; STRIPES]>,
}

#[derive(Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; EPOCHS]);

/// The next thread's stripe. It names a place in every counter, and orders nothing.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Stripes {
    pub(super) fn new() -> Self {
        Self {
            stripes: Box::default(),
        }
    }

    /// One more, in `epoch`.
    #[inline]
    pub(super) fn add(&self, epoch: u64) {
        let Stripe(counts) = &self.stripes[own() & (STRIPES - 1)];
        counts[epoch as usize & (EPOCHS - 1)].fetch_add(1, Ordering::Release);
    }

    /// All that was added in `epoch`, and in earlier ones that share its place.
    pub(super) fn of(&self, epoch: u64) -> u64 {
        let place = epoch as usize & (EPOCHS - 1);
        let counts = self.stripes.iter().map(|Stripe(counts)| &counts[place]);
        counts.map(|count| count.load(Ordering::Acquire)).sum()
    }

    /// All that was ever added.
    pub(super) fn total(&self) -> u64 {
        (0..EPOCHS as u64).map(|epoch| self.of(epoch)).sum()
    }
}

/// The stripe of this thread.
#[inline]
fn own() -> usize {
    OWN.with(|own| match own.get() {
        usize::MAX => first(own),
        stripe => stripe,
    })
}

#[cold]
fn first(own: &Cell<usize>) -> usize {
    let stripe = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) & (STRIPES - 1);
    own.set(stripe);
    stripe
}
