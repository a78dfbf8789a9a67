//! Asks people and takes their answers: every rule between a run, its questions and who answers them.
//!
//! Invariant: each operation reads a request, decides, and stores the change only if the request is still
//! what was read; otherwise it starts over. This module does not know how a run goes on with an answer.

use std::{fmt, sync::Arc, time::Duration};

use llmteam_security::{
    clock::{self, Clock, Timestamp, Wake},
    id::{PrincipalId, RequestId, RunId, TenantId},
    principal::Principal,
};
use tokio::sync::watch;

use super::{
    audit,
    error::{Fault, HumanError},
    interaction::{InteractionStatus, InteractionType},
    outcome::{Happened, HumanEvent},
    request::{InteractionRequest, NewInteraction, TimerKind},
    response::{self, Answer, InteractionResponse},
    store::{Act, Change, InteractionFilter, InteractionMessage, InteractionStore},
};

/// How often a waiting call looks for what other processes have changed.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// How often an operation starts over because others change the same request.
const ATTEMPTS: usize = 20;

/// How a wait for an answer ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Waited {
    /// Somebody answered.
    Responded(Box<InteractionResponse>),
    /// Nobody did, and nobody else will be asked.
    TimedOut,
    /// The request was withdrawn.
    Cancelled,
    /// The wait ended first; the request is as it was.
    StillOpen,
    /// There is no such request.
    NotFound,
}

/// The way to ask people. Clones share one store.
#[derive(Clone)]
pub struct HumanInteractionManager {
    pub(super) store: Arc<dyn InteractionStore>,
    pub(super) clock: Arc<dyn Clock>,
}

impl HumanInteractionManager {
    /// A manager over `store`.
    pub fn new(store: Arc<dyn InteractionStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Asks. The request that was asked before under the same `dedup_key`, open or closed, is returned in
    /// place of a second one.
    pub async fn request(&self, new: NewInteraction) -> Result<InteractionRequest, HumanError> {
        let id = RequestId::generate(&*self.clock);
        self.store
            .create(InteractionRequest::ask(new, id, self.clock.now())?)
            .await
    }

    /// The request.
    pub async fn get(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<InteractionRequest, HumanError> {
        self.store
            .get(tenant, id)
            .await?
            .ok_or_else(|| HumanError::NotFound(id.clone()))
    }

    /// The requests that pass `filter`: the highest priority first, then the earliest deadline.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: &InteractionFilter,
    ) -> Result<Vec<InteractionRequest>, HumanError> {
        self.store.list(tenant, filter).await
    }

    /// Everything that can still be answered.
    pub async fn list_pending(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<InteractionRequest>, HumanError> {
        self.store.list(tenant, &InteractionFilter::open()).await
    }

    /// Takes the answer of `by`. The first one counts; the same answer by the same principal again is given
    /// the same response, every other one [`HumanError::AlreadyClosed`].
    pub async fn respond(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        by: &Principal,
        answer: Answer,
    ) -> Result<InteractionResponse, HumanError> {
        for _ in 0..ATTEMPTS {
            let mut request = self.get(tenant, id).await?;
            let role = self
                .allowed(&request, response::check_allowed(&request, by))
                .await?;
            if let Err(closed) = request.check_open() {
                let stored = self.store.response(tenant, id).await?;
                let repeated = response::response_id(&request, &by.id, &answer)?;
                return stored.filter(|it| it.response_id == repeated).ok_or(closed);
            }
            let now = self.clock.now();
            // A deadline holds whether or not anybody was there to see it pass.
            if now > request.deadline {
                self.fire(request, TimerKind::Deadline, now).await?;
                continue;
            }
            let response = InteractionResponse::to(&request, by, role, answer.clone(), now)?;
            request.close(response.status(), now);
            let change = Change {
                response: Some(response.clone()),
                happened: Some(Happened::Answered),
                ..Change::of(request)
            };
            if self.store.update(change).await? {
                return Ok(response);
            }
        }
        Err(HumanError::Contended(id.clone()))
    }

    /// Withdraws an open request.
    pub async fn cancel(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        reason: &str,
    ) -> Result<(), HumanError> {
        self.change(tenant, id, None, |request, now| {
            request.check_open()?;
            request.close(InteractionStatus::Cancelled, now);
            Ok(Some(Happened::Cancelled {
                reason: reason.to_owned(),
            }))
        })
        .await
        .map(drop)
    }

    /// Withdraws all open requests of a run. Returns which; one that was answered meanwhile is not among them.
    pub async fn cancel_for_run(
        &self,
        tenant: &TenantId,
        run: &RunId,
        reason: &str,
    ) -> Result<Vec<RequestId>, HumanError> {
        let mut cancelled = Vec::new();
        for request in self
            .store
            .list(tenant, &InteractionFilter::open_of(run))
            .await?
        {
            match self.cancel(tenant, &request.request_id, reason).await {
                Ok(()) => cancelled.push(request.request_id),
                Err(HumanError::AlreadyClosed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(cancelled)
    }

    /// Reserves the request for `by`; again by the same principal changes nothing.
    pub async fn claim(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        by: &Principal,
    ) -> Result<InteractionRequest, HumanError> {
        let acted = (Act::Claim, by);
        self.change(tenant, id, Some(acted), |request, now| {
            response::check_eligible(request, by)?;
            request.check_open()?;
            match &request.claimed_by {
                None => request.claim(&by.id, now),
                Some(claimant) if *claimant == by.id => {}
                Some(claimant) => {
                    let (request, claimant) = (request.request_id.clone(), claimant.clone());
                    return Err(HumanError::AlreadyClaimed { request, claimant });
                }
            }
            Ok(None)
        })
        .await
    }

    /// Gives back what `by`, or under an override role anybody, has claimed.
    pub async fn unclaim(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        by: &Principal,
    ) -> Result<InteractionRequest, HumanError> {
        let acted = (Act::Release, by);
        self.change(tenant, id, Some(acted), |request, now| {
            if request.claimed_by.as_ref() != Some(&by.id) {
                response::in_place(request, by, "only who has claimed it may give it back")?;
            }
            request.check_open()?;
            if request.claimed_by.is_some() {
                request.unclaim(now);
            }
            Ok(None)
        })
        .await
    }

    /// Hands the request over to `to`, in place of who is asked now.
    pub async fn delegate(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        by: &Principal,
        to: &PrincipalId,
    ) -> Result<InteractionRequest, HumanError> {
        let acted = (Act::Delegate, by);
        self.change(tenant, id, Some(acted), |request, now| {
            response::check_allowed(request, by)?;
            request.check_open()?;
            request.delegate(&by.id, to.clone(), now);
            Ok(None)
        })
        .await
    }

    /// Adds a line to an open chat.
    pub async fn post_message(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        by: &Principal,
        text: &str,
    ) -> Result<InteractionMessage, HumanError> {
        let request = self.get(tenant, id).await?;
        self.allowed(&request, response::check_allowed(&request, by))
            .await?;
        request.check_open()?;
        if request.interaction_type != InteractionType::Chat {
            return Err(HumanError::InvalidRequest(vec![Fault::new(
                "interaction_type",
                "is not `chat`",
            )]));
        }
        self.store
            .append_message(tenant, id, &by.id, text, self.clock.now())
            .await
    }

    /// The lines of a chat, in order.
    pub async fn messages(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Vec<InteractionMessage>, HumanError> {
        self.store.messages(tenant, id).await
    }

    /// Waits for the request to be closed, at most for `limit`; zero looks and does not wait. The end of the
    /// wait changes nothing about the request.
    pub async fn wait_for_response(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        limit: Option<Duration>,
    ) -> Result<Waited, HumanError> {
        let Some(request) = self.store.get(tenant, id).await? else {
            return Ok(Waited::NotFound);
        };
        let end = limit.map(|limit| self.clock.now().saturating_add(limit));
        let mut changes = self.store.changes().of_run(tenant, &request.run);
        loop {
            let Some(request) = self.store.get(tenant, id).await? else {
                return Ok(Waited::NotFound);
            };
            match request.status {
                InteractionStatus::Timeout => return Ok(Waited::TimedOut),
                InteractionStatus::Cancelled => return Ok(Waited::Cancelled),
                InteractionStatus::Completed | InteractionStatus::Rejected => {
                    let response = self.store.response(tenant, id).await?;
                    return Ok(
                        response.map_or(Waited::NotFound, |it| Waited::Responded(Box::new(it)))
                    );
                }
                _ if end.is_some_and(|end| self.clock.now() >= end) => {
                    return Ok(Waited::StillOpen);
                }
                _ => {}
            }
            self.wait(&mut changes, end).await;
        }
    }

    /// What the run has yet to hear of, in the order in which it happened.
    pub async fn poll(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Vec<HumanEvent>, HumanError> {
        self.store.events(tenant, run).await
    }

    /// The run has recorded these events of [`Self::poll`]; they are not told again.
    pub async fn consume(&self, tenant: &TenantId, events: &[u64]) -> Result<(), HumanError> {
        self.store.consume(tenant, events, self.clock.now()).await
    }

    /// Returns when there is something to poll for the run. What another process stores is noticed only by
    /// polling: look again from time to time when the store is shared.
    pub async fn changed(&self, tenant: &TenantId, run: &RunId) -> Result<(), HumanError> {
        let mut changes = self.store.changes().of_run(tenant, run);
        while self.store.events(tenant, run).await?.is_empty() {
            // The store, which this manager holds, keeps the sender.
            let _ = changes.changed().await;
        }
        Ok(())
    }

    /// When the next timer of the run's open requests is due.
    pub async fn next_deadline(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<Timestamp>, HumanError> {
        self.store.next_due(Some((tenant, run))).await
    }

    /// Removes requests that were closed before `before` and whose runs have heard of it. Returns how many.
    pub async fn purge(&self, tenant: &TenantId, before: Timestamp) -> Result<u64, HumanError> {
        self.store.purge(tenant, before).await
    }

    /// Returns at the next change, at `end`, or when it is time to look for what other processes did.
    pub(super) async fn wait(&self, changes: &mut watch::Receiver<()>, end: Option<Timestamp>) {
        let look = self
            .store
            .is_shared()
            .then(|| self.clock.now().saturating_add(POLL_EVERY));
        let changed = async {
            // The store, which this manager holds, keeps the sender.
            let _ = changes.changed().await;
        };
        match end.into_iter().chain(look).min() {
            Some(at) => {
                clock::until(&*self.clock, at, Wake::Timer, changed).await;
            }
            None => changed.await,
        }
    }

    /// Reads, lets `act` change, stores; starts over when somebody else was faster. Nothing is stored when
    /// `act` changes nothing.
    async fn change(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        acted: Option<(Act, &Principal)>,
        act: impl Fn(&mut InteractionRequest, Timestamp) -> Result<Option<Happened>, HumanError>,
    ) -> Result<InteractionRequest, HumanError> {
        for _ in 0..ATTEMPTS {
            let mut request = self.get(tenant, id).await?;
            let before = request.version;
            let done = act(&mut request, self.clock.now());
            let happened = self.allowed(&request, done).await?;
            let changed = request.version != before;
            if !changed
                || self
                    .store
                    .update(Change {
                        happened,
                        acted: acted.map(|(act, by)| (act, by.id.clone())),
                        ..Change::of(request.clone())
                    })
                    .await?
            {
                return Ok(request);
            }
        }
        Err(HumanError::Contended(id.clone()))
    }

    /// Passes `checked` on. That somebody was refused is recorded first, where there are audit logs.
    async fn allowed<T>(
        &self,
        request: &InteractionRequest,
        checked: Result<T, HumanError>,
    ) -> Result<T, HumanError> {
        if let (Err(error), Some(trails)) = (&checked, self.store.trails())
            && let Some(event) = audit::refusal(request, error)
        {
            trails.of(&request.tenant).log(event).await?;
        }
        checked
    }
}

impl fmt::Debug for HumanInteractionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HumanInteractionManager")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
