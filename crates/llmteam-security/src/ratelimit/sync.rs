//! The locks and atomics of this module, in one place.
//!
//! Invariant: limiter and breaker share state only through these, so that a test can put a scheduler's own
//! primitives in their place (`tests/schedules` includes the same sources beside another `sync`) and try
//! every order of events.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError, atomic};

/// Locks; what a panicking holder left behind is whole, since no change here can panic half-way.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
