//! An agent's turn in a batch: waiting, running, and what an attempt leaves.
//!
//! Invariant: a turn is in one place at a time, with its slot while it runs and its place while it waits. This file
//! does not know what follows an attempt.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::future::BoxFuture;

use super::{
    attempt::Ended,
    slots::{Place, Slot},
};

/// An agent that waits for a slot.
pub(super) struct Waiting<'a, A> {
    pub(super) task: Task,
    pub(super) agent: A,
    pub(super) _place: Place<'a>,
}

/// Whose turn it is.
pub(super) struct Task {
    pub(super) place: usize,
    pub(super) name: String,
    /// When its first attempt started, on the steady clock; `None` before.
    pub(super) began: Option<Duration>,
    pub(super) retries: u32,
    /// How often the window had fallen when its attempt started.
    pub(super) falls: u32,
}

/// An agent that runs, or pauses before it runs again.
pub(super) struct Running<'a, A> {
    /// Absent once the attempt is over.
    pub(super) held: Option<(Task, Slot<'a>)>,
    pub(super) attempt: BoxFuture<'a, (A, Ended)>,
}

/// An attempt that is over.
pub(super) struct Attempted<'a, A> {
    pub(super) task: Task,
    pub(super) slot: Slot<'a>,
    pub(super) agent: A,
    pub(super) ended: Ended,
}

impl<'a, A> Future for Running<'a, A> {
    type Output = Attempted<'a, A>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (agent, ended) = ready!(self.attempt.as_mut().poll(cx));
        match self.held.take() {
            Some((task, slot)) => Poll::Ready(Attempted {
                task,
                slot,
                agent,
                ended,
            }),
            // It is polled no more once it is over.
            None => Poll::Pending,
        }
    }
}
