//! What happens to a run because time passes, and waiting for whatever comes first.

use llmteam_security::clock::{Timestamp, Wake};

use super::drive::{DriveError, Driver};
use crate::canvas::handler::StepError;
use crate::canvas::machine::{Ending, Fact, RunPhase, StepStatus};
use crate::canvas::plan::StepIndex;

impl Driver {
    /// Folds what is due: ends of retry delays, step timeouts, human deadlines, the segment limit, each
    /// in declaration order. True: something was due.
    pub(super) async fn fire_timers(&mut self) -> Result<bool, DriveError> {
        let now = self.parts.clock.now();
        let before = self.folded;
        for step in self.retries_due(now) {
            self.fold(Fact::RetryDue { step })?;
        }
        self.attempts.drop_overdue(now);
        for late in self.attempts.overdue(now) {
            let limit = self
                .machine
                .plan()
                .step(late.step)
                .timeout
                .unwrap_or_default();
            let error = if self.machine.has_open_intent(late.step) {
                StepError::outcome_unknown("the step timed out after its call was announced")
            } else {
                StepError::new(
                    "TimeoutError",
                    format!("the step timed out after {} s", limit.as_secs_f64()),
                )
                .with_code("STEP_TIMEOUT")
            };
            let shared = self.attempts.shared(late);
            self.attempts.cancel(late.step, now);
            if self.machine.step_status(late.step) == StepStatus::Running {
                self.end_step(
                    late.step,
                    Ending::Err(Box::new(error)),
                    shared.as_deref(),
                    None,
                )?;
            }
        }
        self.fire_deadlines(now).await;
        if self.machine.time_limit().is_some_and(|at| at <= now) {
            self.fold(Fact::TimedOut)?;
        }
        Ok(self.folded > before || self.people_acted)
    }

    fn retries_due(&self, now: Timestamp) -> Vec<StepIndex> {
        self.machine
            .retries()
            .filter(|(_, due)| *due <= now)
            .map(|(step, _)| step)
            .collect()
    }

    /// Lets the inbox escalate or close what nobody answered in time.
    async fn fire_deadlines(&mut self, now: Timestamp) {
        self.people_acted = false;
        if !self.listens_to_people() {
            return;
        }
        if self.human_deadline().await.is_some_and(|at| at <= now) {
            match self.parts.interactions.process_due(now, DUE_AT_ONCE).await {
                Ok(_) => self.people_acted = true,
                Err(error) => {
                    tracing::warn!(%error, "human deadlines could not be checked; they are tried again");
                }
            }
        }
    }

    pub(super) fn listens_to_people(&self) -> bool {
        self.machine.suspended() > 0
            && matches!(self.machine.phase(), RunPhase::Running | RunPhase::Held)
    }

    async fn human_deadline(&self) -> Option<Timestamp> {
        let deadline = self
            .parts
            .interactions
            .next_deadline(self.runtime.tenant_id(), self.runtime.run_id())
            .await;
        deadline.unwrap_or_else(|error| {
            tracing::warn!(%error, "human deadlines could not be read; they are tried again");
            None
        })
    }

    /// Waits until something arrives or is due.
    pub(super) async fn wait(&mut self) -> Result<(), DriveError> {
        let listens = self.listens_to_people();
        let deadline = if listens {
            self.human_deadline().await
        } else {
            None
        };
        let retry = self.machine.retries().map(|(_, due)| due).min();
        let look = self
            .parts
            .inbox_poll
            .filter(|_| listens)
            .map(|every| self.parts.clock.now().saturating_add(every));
        let next = [
            retry,
            look,
            self.attempts.next_deadline(),
            deadline,
            self.machine.time_limit(),
        ];
        let next = next.into_iter().flatten().min();
        let timer = async {
            match next {
                Some(at) => self.parts.clock.sleep_until(at, Wake::Timer).await,
                None => std::future::pending().await,
            }
        };
        let people = async {
            if listens {
                let changed = self
                    .parts
                    .interactions
                    .changed(self.runtime.tenant_id(), self.runtime.run_id())
                    .await;
                if let Err(error) = changed {
                    tracing::warn!(%error, "the inbox cannot be watched");
                    std::future::pending::<()>().await;
                }
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = self.inbox.arrived() => {}
            finished = self.attempts.wait_for_one() => self.arrived(finished),
            () = people => {}
            () = timer => {}
        }
        Ok(())
    }

    /// Waits until every cancelled future is gone.
    pub(super) async fn let_go(&mut self) {
        while !self.attempts.is_empty() {
            let now = self.parts.clock.now();
            self.attempts.drop_overdue(now);
            let deadline = self.attempts.next_deadline().unwrap_or(now);
            tokio::select! {
                biased;
                _ = self.attempts.wait_for_one() => {}
                () = self.parts.clock.sleep_until(deadline, Wake::Timer) => {}
            }
        }
    }
}

/// Due timers handled in one go.
const DUE_AT_ONCE: usize = 1_000;
