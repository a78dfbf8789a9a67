//! The attempts of one run that are in flight.
//!
//! An attempt is polled once where it starts; only one that is pending gets a task of its own, which polls it
//! again. So a step without waiting costs no spawn, and one that waits or computes runs beside the others.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use llmteam_security::clock::Timestamp;
use tokio::task::{AbortHandle, Id, JoinSet};

use crate::canvas::handler::{StepError, StepOutcome};
use crate::canvas::plan::StepIndex;
use crate::runtime::{Activation, RuntimeContext};

/// How long a cancelled handler may take to stop (X-69).
pub(super) const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// A finished attempt.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) id: AttemptId,
    pub(super) result: Result<StepOutcome, StepError>,
    pub(super) shared: Arc<Activation>,
}

/// Which attempt of which activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AttemptId {
    pub(super) step: StepIndex,
    pub(super) activation: u32,
    pub(super) attempt: u32,
}

struct InFlight {
    id: AttemptId,
    task: AbortHandle,
    shared: Arc<Activation>,
    /// When the attempt has had its time (X-66).
    deadline: Option<Timestamp>,
    /// Set once the attempt was told to stop: when its future is dropped at the latest.
    leaving: Option<Timestamp>,
}

/// All attempts of one run that are not over.
#[derive(Default)]
pub(super) struct Attempts {
    /// Made for the first attempt that is not over at once.
    pending: Option<Pending>,
}

/// Attempts that have a task of their own.
#[derive(Default)]
struct Pending {
    tasks: JoinSet<Result<StepOutcome, StepError>>,
    in_flight: HashMap<Id, InFlight>,
}

impl Attempts {
    /// Starts an attempt and polls it once. What it came to, if it is over by that.
    pub(super) fn start(
        &mut self,
        id: AttemptId,
        deadline: Option<Timestamp>,
        shared: Arc<Activation>,
        runtime: &RuntimeContext,
        attempt: BoxFuture<'static, Result<StepOutcome, StepError>>,
    ) -> Option<Finished> {
        let mut attempt = AssertUnwindSafe(attempt).catch_unwind();
        // Nobody need be woken: what is pending is polled again by its own task.
        let nobody = &mut Context::from_waker(Waker::noop());
        if let Poll::Ready(result) = attempt.poll_unpin(nobody) {
            let result = result.unwrap_or_else(|panic| Err(handler_panicked(&*panic)));
            return Some(Finished { id, result, shared });
        }
        let runtime = runtime.clone();
        let pending = self.pending.get_or_insert_default();
        let task = pending.tasks.spawn(async move {
            let attempt = async {
                attempt
                    .await
                    .unwrap_or_else(|panic| Err(handler_panicked(&*panic)))
            };
            runtime.scope(attempt).await
        });
        pending.in_flight.insert(
            task.id(),
            InFlight {
                id,
                task,
                shared,
                deadline,
                leaving: None,
            },
        );
        None
    }

    /// Hands over an attempt that has finished by now.
    pub(super) fn next_finished(&mut self) -> Option<Finished> {
        let pending = self.pending.as_mut()?;
        while let Some(joined) = pending.tasks.try_join_next_with_id() {
            let finished = pending.joined(joined);
            if finished.is_some() {
                return finished;
            }
        }
        None
    }

    /// Waits until a task is over; never resolves when none is left. None: its result no longer counts.
    pub(super) async fn wait_for_one(&mut self) -> Option<Finished> {
        if let Some(pending) = &mut self.pending
            && let Some(joined) = pending.tasks.join_next_with_id().await
        {
            return pending.joined(joined);
        }
        std::future::pending().await
    }

    /// The state that an attempt shares with its handler.
    pub(super) fn shared(&self, id: AttemptId) -> Option<Arc<Activation>> {
        self.in_flight()
            .find(|it| it.id == id)
            .map(|it| Arc::clone(&it.shared))
    }

    /// Tells the present attempt of a step to stop; its result no longer counts (X-69).
    pub(super) fn cancel(&mut self, step: StepIndex, now: Timestamp) {
        let pending = self.pending.iter_mut();
        for it in pending
            .flat_map(|it| it.in_flight.values_mut())
            .filter(|it| it.id.step == step && it.leaving.is_none())
        {
            it.shared.cancel();
            it.leaving = Some(now.saturating_add(CANCEL_GRACE));
        }
    }

    /// Drops the futures of all cancelled attempts whose time to stop is over.
    pub(super) fn drop_overdue(&mut self, now: Timestamp) {
        for it in self
            .in_flight()
            .filter(|it| it.leaving.is_some_and(|at| at <= now))
        {
            it.task.abort();
        }
    }

    /// Drops every future at once.
    pub(super) fn drop_all(&mut self) {
        self.pending.iter_mut().for_each(|it| it.tasks.abort_all());
    }

    /// Whether an attempt of the step is still leaving.
    pub(super) fn is_leaving(&self, step: StepIndex) -> bool {
        self.in_flight()
            .any(|it| it.id.step == step && it.leaving.is_some())
    }

    /// Whether any future is left.
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight().next().is_none()
    }

    /// Attempts that have had their time, in declaration order.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<AttemptId> {
        let due = |it: &&InFlight| it.leaving.is_none() && it.deadline.is_some_and(|at| at <= now);
        let mut overdue: Vec<AttemptId> = self.in_flight().filter(due).map(|it| it.id).collect();
        overdue.sort_by_key(|it| it.step);
        overdue
    }

    /// The next time at which an attempt has had its time or must be gone.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.in_flight()
            .filter_map(|it| it.leaving.or(it.deadline))
            .min()
    }

    fn in_flight(&self) -> impl Iterator<Item = &InFlight> {
        self.pending.iter().flat_map(|it| it.in_flight.values())
    }
}

impl Pending {
    /// What a task came to; none if its attempt was told to stop, or the task was torn down.
    fn joined(
        &mut self,
        joined: Result<(Id, Result<StepOutcome, StepError>), tokio::task::JoinError>,
    ) -> Option<Finished> {
        let (task, result) = match joined {
            Ok((task, result)) => (task, Some(result)),
            Err(error) => (error.id(), None),
        };
        let gone = self.in_flight.remove(&task)?;
        if gone.leaving.is_some() {
            return None;
        }
        Some(Finished {
            id: gone.id,
            result: result?,
            shared: gone.shared,
        })
    }
}

fn handler_panicked(panic: &(dyn Any + Send)) -> StepError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|it| (*it).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    StepError::new("HandlerPanicked", format!("the handler panicked: {text}"))
        .with_code("HANDLER_PANICKED")
        .fatal()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::runtime::testing::runtime;

    #[test]
    fn what_is_done_at_its_first_poll_gets_no_task() {
        let mut attempts = Attempts::default();
        let id = AttemptId {
            step: StepIndex::new(0),
            activation: 1,
            attempt: 1,
        };
        let done = Box::pin(async { Ok(Value::Null.into()) });
        let finished = attempts.start(id, None, Arc::default(), &runtime("r"), done);
        assert_eq!(finished.map(|it| it.id), Some(id));
        assert!(attempts.is_empty());
        assert!(attempts.wait_for_one().now_or_never().is_none());
    }
}
