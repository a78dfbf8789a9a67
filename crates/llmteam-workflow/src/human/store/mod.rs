//! Where questions and answers are kept.
//!
//! Invariant: a store takes a changed request only in place of the version before it, and what belongs to
//! that change (the answer, the fired timer, the run's wake-up) with it or not at all. It hands out owned
//! values. It knows no rule about who may answer what: see [`HumanInteractionManager`].
//!
//! [`HumanInteractionManager`]: super::HumanInteractionManager

mod changes;
#[cfg(test)]
mod contract;
mod filter;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;

use async_trait::async_trait;
use llmteam_security::{
    audit::AuditTrails,
    clock::Timestamp,
    id::{PrincipalId, RequestId, RunId, TenantId},
};
use serde::{Deserialize, Serialize};

#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteInteractionStore;
pub use self::{changes::Changes, filter::InteractionFilter, memory::MemoryInteractionStore};
use super::{
    error::HumanError,
    outcome::{Happened, HumanEvent},
    request::{InteractionRequest, TimerKind},
    response::InteractionResponse,
};

/// One change of one request, with everything that must be stored together with it.
#[derive(Clone, Debug)]
pub struct Change {
    /// The request as it is from now on; it replaces the one whose version is lower by one.
    pub request: InteractionRequest,
    /// The answer that closes it.
    pub response: Option<InteractionResponse>,
    /// What its run is woken with.
    pub happened: Option<Happened>,
    /// The timer that caused it, at its level.
    pub fired: Option<(TimerKind, u32)>,
    /// What was done and by whom, where it is no answer.
    pub acted: Option<(Act, PrincipalId)>,
}

/// What somebody did to a request without answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Reserved it.
    Claim,
    /// Gave it back.
    Release,
    /// Handed it over to somebody else.
    Delegate,
}

impl Change {
    /// The change to `request` alone.
    pub fn of(request: InteractionRequest) -> Self {
        Self {
            request,
            response: None,
            happened: None,
            fired: None,
            acted: None,
        }
    }
}

/// A timer whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueTimer {
    /// Whose request.
    pub tenant: TenantId,
    /// The request.
    pub request_id: RequestId,
    /// Which of its timers.
    pub kind: TimerKind,
    /// At which level.
    pub level: u32,
}

/// One line of a chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InteractionMessage {
    /// Its place, from 1.
    pub seq: u64,
    /// Who wrote it.
    pub author_id: PrincipalId,
    /// What.
    pub body: String,
    /// When.
    pub created_at: Timestamp,
}

/// Keeps requests, their answers, timers and messages, and the wake-ups of runs.
///
/// Every method takes the tenant, or (timers) serves all tenants of the store; a row of another tenant
/// looks like one that does not exist. What a method has stored is durable when it returns.
#[async_trait]
pub trait InteractionStore: Send + Sync + fmt::Debug {
    /// Stores a new request with its timers. When the tenant has one with its `dedup_key`, that one is
    /// returned and nothing is stored.
    async fn create(&self, request: InteractionRequest) -> Result<InteractionRequest, HumanError>;

    /// The request.
    async fn get(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Option<InteractionRequest>, HumanError>;

    /// The requests that pass `filter`, in its order.
    async fn list(
        &self,
        tenant: &TenantId,
        filter: &InteractionFilter,
    ) -> Result<Vec<InteractionRequest>, HumanError>;

    /// Stores `change`; false, and nothing is stored, when the stored version is not the one before, or
    /// when the timer has fired already. A closed request's timers never fire; a new level's are added.
    async fn update(&self, change: Change) -> Result<bool, HumanError>;

    /// The answer.
    async fn response(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Option<InteractionResponse>, HumanError>;

    /// Adds a line to a chat, in the next place.
    async fn append_message(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        author: &PrincipalId,
        body: &str,
        now: Timestamp,
    ) -> Result<InteractionMessage, HumanError>;

    /// The lines of a chat, in order.
    async fn messages(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Vec<InteractionMessage>, HumanError>;

    /// Up to `limit` timers of all tenants that are due at `now` and have not fired, the earliest first,
    /// those of one instant in the order in which the requests were created.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DueTimer>, HumanError>;

    /// When the next timer is due: of one run, or of all tenants.
    async fn next_due(
        &self,
        run: Option<(&TenantId, &RunId)>,
    ) -> Result<Option<Timestamp>, HumanError>;

    /// What the run has yet to hear of, in the order in which it happened.
    async fn events(&self, tenant: &TenantId, run: &RunId) -> Result<Vec<HumanEvent>, HumanError>;

    /// The run has heard of these; unknown and consumed ones are no error.
    async fn consume(
        &self,
        tenant: &TenantId,
        events: &[u64],
        now: Timestamp,
    ) -> Result<(), HumanError>;

    /// Removes what was closed before `before` and whose run has heard of it. Returns how many requests.
    async fn purge(&self, tenant: &TenantId, before: Timestamp) -> Result<u64, HumanError>;

    /// The audit logs that every change is recorded in, in the commit that stores it; none: changes are not
    /// recorded.
    fn trails(&self) -> Option<&AuditTrails> {
        None
    }

    /// Tells of what changes through this store; not of what other processes change.
    fn changes(&self) -> &Changes;

    /// Whether other processes may change what is stored, so that waiting includes looking again.
    fn is_shared(&self) -> bool;
}
