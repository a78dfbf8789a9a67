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
    pub(super) step: StepIndex,
    pub(super) activation: u32,
    pub(super) attempt: u32,
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
    tasks: Option<JoinSet<Result<StepOutcome, StepError>>>,
    in_flight: HashMap<Id, InFlight>,
    /// Finished at the first poll, in the order of starting.
    at_once: Vec<Finished>,
}

impl Attempts {
    /// Starts an attempt and polls it once.
    pub(super) fn start(
        &mut self,
        id: AttemptId,
        deadline: Option<Timestamp>,
        shared: Arc<Activation>,
        runtime: &RuntimeContext,
        attempt: BoxFuture<'static, Result<StepOutcome, StepError>>,
    ) {
        let mut attempt = AssertUnwindSafe(attempt).catch_unwind();
        // Nobody need be woken: what is pending is polled again by its own task.
        let nobody = &mut Context::from_waker(Waker::noop());
        if let Poll::Ready(result) = attempt.poll_unpin(nobody) {
            let AttemptId {
                step,
                activation,
                attempt,
            } = id;
            let result = result.unwrap_or_else(|panic| Err(handler_panicked(&*panic)));
            self.at_once.push(Finished {
                step,
                activation,
                attempt,
                result,
                shared,
            });
        } else {
            let runtime = runtime.clone();
            let tasks = self.tasks.get_or_insert_default();
            let task = tasks.spawn(async move {
                let attempt = async {
                    attempt
                        .await
                        .unwrap_or_else(|panic| Err(handler_panicked(&*panic)))
                };
                runtime.scope(attempt).await
            });
            self.in_flight.insert(
                task.id(),
                InFlight {
                    id,
                    task,
                    shared,
                    deadline,
                    leaving: None,
                },
            );
        }
    }

    /// Hands over everything that has finished by now.
    pub(super) fn take_finished(&mut self, mut take: impl FnMut(Finished)) {
        self.at_once.drain(..).for_each(&mut take);
        while let Some(joined) = self.tasks.as_mut().and_then(JoinSet::try_join_next_with_id) {
            if let Some(finished) = self.joined(joined) {
                take(finished);
            }
        }
    }

    /// Waits until a future is over; never resolves when none is left.
    pub(super) async fn wait_for_one(&mut self) {
        // What was started since the last look and was done at its first poll.
        if !self.at_once.is_empty() {
            return;
        }
        let joined = match &mut self.tasks {
            Some(tasks) => tasks.join_next_with_id().await,
            None => None,
        };
        match joined {
            Some(joined) => {
                let finished = self.joined(joined);
                self.at_once.extend(finished);
            }
            None => std::future::pending().await,
        }
    }

    /// The state that an attempt shares with its handler.
    pub(super) fn shared(&self, id: AttemptId) -> Option<Arc<Activation>> {
        self.in_flight
            .values()
            .find(|it| it.id == id)
            .map(|it| Arc::clone(&it.shared))
    }

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
        let AttemptId {
            step,
            activation,
            attempt,
        } = gone.id;
        Some(Finished {
            step,
            activation,
            attempt,
            result: result?,
            shared: gone.shared,
        })
    }

    /// Tells the present attempt of a step to stop; its result no longer counts (X-69).
    pub(super) fn cancel(&mut self, step: StepIndex, now: Timestamp) {
        self.at_once.retain(|it| it.step != step);
        for it in self
            .in_flight
            .values_mut()
            .filter(|it| it.id.step == step && it.leaving.is_none())
        {
            it.shared.cancel();
            it.leaving = Some(now.saturating_add(CANCEL_GRACE));
        }
    }

    /// Drops the futures of all cancelled attempts whose time to stop is over.
    pub(super) fn drop_overdue(&mut self, now: Timestamp) {
        for it in self
            .in_flight
            .values()
            .filter(|it| it.leaving.is_some_and(|at| at <= now))
        {
            it.task.abort();
        }
    }

    /// Drops every future at once.
    pub(super) fn drop_all(&mut self) {
        self.tasks.iter_mut().for_each(JoinSet::abort_all);
    }

    /// Whether an attempt of the step is still leaving.
    pub(super) fn is_leaving(&self, step: StepIndex) -> bool {
        self.in_flight
            .values()
            .any(|it| it.id.step == step && it.leaving.is_some())
    }

    /// Whether any future is left.
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.at_once.is_empty()
    }

    /// Attempts that have had their time, in declaration order.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<AttemptId> {
        let due = |it: &&InFlight| it.leaving.is_none() && it.deadline.is_some_and(|at| at <= now);
        let mut overdue: Vec<AttemptId> = self
            .in_flight
            .values()
            .filter(due)
            .map(|it| it.id)
            .collect();
        overdue.sort_by_key(|it| it.step);
        overdue
    }

    /// The next time at which an attempt has had its time or must be gone.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.in_flight
            .values()
            .filter_map(|it| it.leaving.or(it.deadline))
            .min()
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
    fn what_was_done_where_it_started_is_not_waited_for() {
        let mut attempts = Attempts::default();
        let id = AttemptId {
            step: StepIndex::new(0),
            activation: 1,
            attempt: 1,
        };
        let done = Box::pin(async { Ok(Value::Null.into()) });
        attempts.start(id, None, Arc::default(), &runtime("r"), done);
        assert!(attempts.wait_for_one().now_or_never().is_some());
        let mut taken = Vec::new();
        attempts.take_finished(|it| taken.push(it.step));
        assert_eq!(taken, [id.step]);
        assert!(attempts.wait_for_one().now_or_never().is_none());
    }
}
