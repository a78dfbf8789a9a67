//! Time passing over open questions: warnings, escalation, giving up.
//!
//! Invariant: each timer of a request fires once per level, however many processes look; a closed request's
//! timers are dead. Nobody needs to wait for an answer for its deadline to hold.

use llmteam_security::{
    clock::Timestamp,
    id::{RequestId, RunId, TenantId},
};

use super::{
    error::HumanError,
    interaction::{Assignee, InteractionStatus},
    manager::HumanInteractionManager,
    outcome::Happened,
    request::{InteractionRequest, TimerKind},
    store::Change,
};

/// How many timers one round of [`HumanInteractionManager::keep_deadlines`] fires.
const ROUND: usize = 100;

/// A timer that has fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// Whose run.
    pub tenant: TenantId,
    /// The run that asked.
    pub run: RunId,
    /// The request.
    pub request_id: RequestId,
    /// What it did.
    pub effect: FiredEffect,
}

/// What a timer did to its request.
#[derive(Clone, Debug, PartialEq)]
pub enum FiredEffect {
    /// The warning's time has come; nothing changed.
    SlaWarning,
    /// The breach's time has come; nothing changed.
    SlaBreach,
    /// The next of the chain is asked.
    Escalated {
        /// How many of the chain were asked by now.
        level: u32,
        /// Who was asked before.
        from: Option<Assignee>,
        /// Who is asked now.
        to: Assignee,
    },
    /// Nobody is left to ask.
    TimedOut,
}

impl HumanInteractionManager {
    /// Fires up to `limit` timers, of all tenants, that are due at `now`. What another process fires or
    /// changes at the same time is left to it, or to the next call.
    pub async fn process_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Fired>, HumanError> {
        let mut fired = Vec::new();
        for timer in self.store.due(now, limit).await? {
            let Some(request) = self.store.get(&timer.tenant, &timer.request_id).await? else {
                continue;
            };
            let stale = timer.kind == TimerKind::Deadline
                && timer.level != request.current_escalation_level;
            if request.is_open() && !stale {
                fired.extend(self.fire(request, timer.kind, now).await?);
            }
        }
        Ok(fired)
    }

    /// Fires timers whenever they are due; returns only when the store fails. For a process that serves
    /// many runs; a run that is alone in its process calls [`Self::process_due`] itself.
    pub async fn keep_deadlines(&self) -> Result<std::convert::Infallible, HumanError> {
        let mut changes = self.store.changes().of_all();
        loop {
            while self.process_due(self.clock.now(), ROUND).await?.len() == ROUND {}
            let next = self.store.next_due(None).await?;
            self.wait(&mut changes, next).await;
        }
    }

    /// Lets one timer of an open request fire; `None` when somebody else has changed the request.
    pub(super) async fn fire(
        &self,
        mut request: InteractionRequest,
        kind: TimerKind,
        now: Timestamp,
    ) -> Result<Option<Fired>, HumanError> {
        let timer = match kind {
            TimerKind::Deadline => (kind, request.current_escalation_level),
            TimerKind::SlaWarning | TimerKind::SlaBreach => (kind, 0),
        };
        let from = request.assignee().cloned();
        let effect = match kind {
            TimerKind::SlaWarning => FiredEffect::SlaWarning,
            TimerKind::SlaBreach => FiredEffect::SlaBreach,
            TimerKind::Deadline => {
                request.deadline_passed(now);
                match request.assignee().cloned() {
                    Some(to) if request.status == InteractionStatus::Escalated => {
                        FiredEffect::Escalated {
                            level: request.current_escalation_level,
                            from,
                            to,
                        }
                    }
                    _ => FiredEffect::TimedOut,
                }
            }
        };
        let happened = match &effect {
            FiredEffect::Escalated { level, to, .. } => Some(Happened::Escalated {
                level: *level,
                assignee: to.clone(),
            }),
            FiredEffect::TimedOut => Some(Happened::TimedOut),
            FiredEffect::SlaWarning | FiredEffect::SlaBreach => {
                request.touch(now);
                None
            }
        };
        let fired = Fired {
            tenant: request.tenant.clone(),
            run: request.run.clone(),
            request_id: request.request_id.clone(),
            effect,
        };
        let change = Change {
            happened,
            fired: Some(timer),
            ..Change::of(request)
        };
        Ok(self.store.update(change).await?.then_some(fired))
    }
}
