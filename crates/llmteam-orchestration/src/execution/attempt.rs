//! One attempt of one agent, within its time.
//!
//! Invariant: an attempt that is over after its deadline has timed out, whatever the agent made of it; one that
//! panics has failed; one that ends at once sets no timer. This file does not know what follows an attempt.

use std::{
    any::Any,
    future::Future,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    time::Duration,
};

use futures_util::{FutureExt, future::poll_immediate};
use llmteam_security::{Clock, Timestamp, Wake, clock::until};

use super::result::{TaskError, TaskErrorKind};
use crate::roles::{Agent, Fields};

/// How an attempt ended, and when on the steady clock.
pub(super) struct Ended {
    pub(super) outcome: Result<Fields, TaskError>,
    pub(super) at: Duration,
}

/// The terms of an attempt.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) input: &'a Fields,
    /// The longest it may take.
    pub(super) limit: Duration,
}

/// Lets the agent try, after `pause`; `now` is the steady time. Hands the agent back for another attempt.
pub(super) async fn attempt<A>(
    agent: A,
    terms: Terms<'_>,
    now: Duration,
    pause: Duration,
) -> (A, Ended)
where
    A: Deref<Target: Agent> + Send,
{
    let Terms { clock, limit, .. } = terms;
    let mut started = now;
    if !pause.is_zero() {
        sleep_until(clock, now.saturating_add(pause)).await;
        started = clock.monotonic();
    }
    let deadline = started.saturating_add(limit);
    let done = within(&*agent, terms, deadline).await;
    let at = clock.monotonic();
    let outcome = done
        .filter(|_| at <= deadline)
        .unwrap_or_else(|| Err(TaskErrorKind::Timeout.into()));
    (agent, Ended { outcome, at })
}

/// What the agent made of it; `None` when the deadline came first.
async fn within<A: Agent + ?Sized>(
    agent: &A,
    terms: Terms<'_>,
    deadline: Duration,
) -> Option<Result<Fields, TaskError>> {
    // Within the block, so that a panic before the first await is caught as well.
    let work = async { agent.process(terms.input).await };
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    let done = match poll_immediate(work.as_mut()).await {
        Some(done) => done,
        None => {
            let at = on_the_wall(terms.clock, deadline);
            until(terms.clock, at, Wake::Timer, work).await?
        }
    };
    Some(match done {
        Ok(outcome) => outcome.map_err(TaskError::from),
        Err(panic) => Err(panicked(&*panic)),
    })
}

/// The agent's name, or `unknown`.
pub(super) fn name_of<A: Agent + ?Sized>(agent: &A) -> String {
    let name = catch_unwind(AssertUnwindSafe(|| agent.name().map(str::to_owned)));
    name.ok().flatten().unwrap_or_else(|| "unknown".to_owned())
}

/// Returns once the steady clock shows `at`.
pub(super) async fn sleep_until(clock: &dyn Clock, at: Duration) {
    while clock.monotonic() < at {
        clock.sleep_until(on_the_wall(clock, at), Wake::Timer).await;
    }
}

/// Waits for `stop` until the steady clock shows `at`: `true` when the stop came first.
pub(super) async fn stopped_before(
    clock: &dyn Clock,
    at: Duration,
    stop: impl Future<Output = ()>,
) -> bool {
    tokio::select! {
        biased;
        () = stop => true,
        () = sleep_until(clock, at) => false,
    }
}

/// The time of day when the steady clock will show `at`, rounded up to what it can say.
fn on_the_wall(clock: &dyn Clock, at: Duration) -> Timestamp {
    let left = at.saturating_sub(clock.monotonic());
    let left = left.saturating_add(Duration::from_nanos(999));
    clock.now().saturating_add(left)
}

fn panicked(panic: &(dyn Any + Send)) -> TaskError {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = said.map(|said| format!("the agent panicked: {said}"));
    TaskError::new(
        TaskErrorKind::Panicked,
        &message.unwrap_or_else(|| "the agent panicked".to_owned()),
    )
}
