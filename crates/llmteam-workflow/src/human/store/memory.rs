//! Requests in memory: gone with the process, the same in every other way.
//!
//! Invariant: everything is under one lock. Closed requests are bounded: the oldest ones whose runs have
//! heard of them make room.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use llmteam_security::{
    audit::AuditTrails,
    clock::Timestamp,
    id::{PrincipalId, RequestId, RunId, TenantId},
};

use super::{Change, Changes, DueTimer, InteractionFilter, InteractionMessage, InteractionStore};
use crate::human::{
    audit,
    error::HumanError,
    outcome::{Happened, HumanEvent},
    request::{InteractionRequest, TimerKind},
    response::InteractionResponse,
};

/// How many closed requests are kept.
const CLOSED_KEPT: usize = 10_000;

type Key = (TenantId, RequestId);

/// A store in memory. Clones share what is stored.
#[derive(Clone, Debug, Default)]
pub struct MemoryInteractionStore {
    shared: Arc<Shared>,
    trails: Option<AuditTrails>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changes: Changes,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Key, Row>,
    by_dedup_key: HashMap<(TenantId, String), RequestId>,
    /// Timers that have not fired, the next one first.
    timers: BTreeSet<(Timestamp, u64, TimerKind, u32, Key)>,
    /// What runs have yet to hear of.
    wakeups: HashMap<(TenantId, RunId), BTreeMap<u64, Wakeup>>,
    closed: VecDeque<Key>,
    next: u64,
}

#[derive(Debug)]
struct Row {
    seq: u64,
    request: InteractionRequest,
    response: Option<InteractionResponse>,
    messages: Vec<InteractionMessage>,
    fired: BTreeSet<(TimerKind, u32)>,
}

impl Row {
    /// Whether a change was made to what is here, and its timer has not fired.
    fn takes(&self, change: &Change) -> bool {
        let fired_before = change
            .fired
            .is_some_and(|timer| self.fired.contains(&timer));
        self.request.version + 1 == change.request.version && !fired_before
    }
}

#[derive(Debug)]
struct Wakeup {
    at: Timestamp,
    request_id: RequestId,
    happened: Happened,
}

impl MemoryInteractionStore {
    /// The same store, which records in `trails` what changes, before it keeps it.
    #[must_use]
    pub fn audited(self, trails: AuditTrails) -> Self {
        Self {
            trails: Some(trails),
            ..self
        }
    }

    /// Records a change that can be kept.
    async fn record(&self, change: &Change) -> Result<(), HumanError> {
        let request = &change.request;
        let (Some(trails), Some(event)) = (&self.trails, audit::of_change(change)) else {
            return Ok(());
        };
        let follows = self
            .lock()
            .row(&request.tenant, &request.request_id)
            .is_some_and(|row| row.takes(change));
        if follows {
            trails.of(&request.tenant).log(event).await?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn row(&self, tenant: &TenantId, id: &RequestId) -> Option<&Row> {
        self.rows.get(&(tenant.clone(), id.clone()))
    }

    /// Sets the timers of an open request that have not fired.
    fn set_timers(&mut self, key: &Key) {
        let Some(row) = self.rows.get(key).filter(|row| row.request.is_open()) else {
            return;
        };
        for (kind, level, at) in row.request.timers() {
            if !row.fired.contains(&(kind, level)) {
                self.timers.insert((at, row.seq, kind, level, key.clone()));
            }
        }
    }

    /// Removes the timers of a request as it is stored.
    fn clear_timers(&mut self, key: &Key) {
        let Some(row) = self.rows.get(key) else {
            return;
        };
        for (kind, level, at) in row.request.timers() {
            self.timers.remove(&(at, row.seq, kind, level, key.clone()));
        }
    }

    fn has_wakeup(&self, (tenant, id): &Key) -> bool {
        let Some(row) = self.row(tenant, id) else {
            return false;
        };
        let wakeups = self.wakeups.get(&(tenant.clone(), row.request.run.clone()));
        wakeups.is_some_and(|wakeups| wakeups.values().any(|wakeup| wakeup.request_id == *id))
    }

    fn remove(&mut self, key: &Key) {
        if let Some(row) = self.rows.remove(key) {
            self.by_dedup_key
                .remove(&(key.0.clone(), row.request.dedup_key));
        }
    }

    fn make_room(&mut self) {
        if self.closed.len() > CLOSED_KEPT
            && let Some(place) = self.closed.iter().position(|key| !self.has_wakeup(key))
            && let Some(key) = self.closed.remove(place)
        {
            self.remove(&key);
        }
    }
}

#[async_trait]
impl InteractionStore for MemoryInteractionStore {
    async fn create(&self, request: InteractionRequest) -> Result<InteractionRequest, HumanError> {
        let mut state = self.lock();
        let dedup_key = (request.tenant.clone(), request.dedup_key.clone());
        if let Some(id) = state.by_dedup_key.get(&dedup_key)
            && let Some(row) = state.row(&request.tenant, id)
        {
            return Ok(row.request.clone());
        }
        let key = (request.tenant.clone(), request.request_id.clone());
        let row = Row {
            seq: state.next(),
            request: request.clone(),
            response: None,
            messages: Vec::new(),
            fired: BTreeSet::new(),
        };
        state
            .by_dedup_key
            .insert(dedup_key, request.request_id.clone());
        state.rows.insert(key.clone(), row);
        state.set_timers(&key);
        drop(state);
        self.shared.changes.announce(&request.tenant, &request.run);
        Ok(request)
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Option<InteractionRequest>, HumanError> {
        Ok(self.lock().row(tenant, id).map(|row| row.request.clone()))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &InteractionFilter,
    ) -> Result<Vec<InteractionRequest>, HumanError> {
        let state = self.lock();
        let of_tenant = state.rows.iter().filter(|((of, _), _)| of == tenant);
        Ok(filter.select(of_tenant.map(|(_, row)| row.request.clone())))
    }

    async fn update(&self, change: Change) -> Result<bool, HumanError> {
        self.record(&change).await?;
        let request = &change.request;
        let key = (request.tenant.clone(), request.request_id.clone());
        let run = (request.tenant.clone(), request.run.clone());
        let mut guard = self.lock();
        let state = &mut *guard;
        if !state.rows.get(&key).is_some_and(|row| row.takes(&change)) {
            return Ok(false);
        }
        let Change {
            request,
            response,
            happened,
            fired,
            acted: _,
        } = change;
        state.clear_timers(&key);
        let Some(row) = state.rows.get_mut(&key) else {
            return Ok(false);
        };
        let closes = row.request.is_open() && !request.is_open();
        let at = request.updated_at.unwrap_or(request.created_at);
        row.fired.extend(fired);
        row.response = response.or(row.response.take());
        row.request = request;
        state.set_timers(&key);
        if let Some(happened) = happened {
            let wakeup = Wakeup {
                at,
                request_id: key.1.clone(),
                happened,
            };
            let id = state.next();
            state
                .wakeups
                .entry(run.clone())
                .or_default()
                .insert(id, wakeup);
        }
        if closes {
            state.closed.push_back(key);
            state.make_room();
        }
        drop(guard);
        self.shared.changes.announce(&run.0, &run.1);
        Ok(true)
    }

    async fn response(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Option<InteractionResponse>, HumanError> {
        Ok(self
            .lock()
            .row(tenant, id)
            .and_then(|row| row.response.clone()))
    }

    async fn append_message(
        &self,
        tenant: &TenantId,
        id: &RequestId,
        author: &PrincipalId,
        body: &str,
        now: Timestamp,
    ) -> Result<InteractionMessage, HumanError> {
        let mut state = self.lock();
        let row = state.rows.get_mut(&(tenant.clone(), id.clone()));
        let row = row.ok_or_else(|| HumanError::NotFound(id.clone()))?;
        let message = InteractionMessage {
            seq: row.messages.len() as u64 + 1,
            author_id: author.clone(),
            body: body.to_owned(),
            created_at: now,
        };
        row.messages.push(message.clone());
        let run = row.request.run.clone();
        drop(state);
        self.shared.changes.announce(tenant, &run);
        Ok(message)
    }

    async fn messages(
        &self,
        tenant: &TenantId,
        id: &RequestId,
    ) -> Result<Vec<InteractionMessage>, HumanError> {
        Ok(self
            .lock()
            .row(tenant, id)
            .map(|row| row.messages.clone())
            .unwrap_or_default())
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<DueTimer>, HumanError> {
        let state = self.lock();
        let due = state
            .timers
            .iter()
            .take_while(|(at, ..)| *at <= now)
            .take(limit);
        let timer =
            |(_, _, kind, level, (tenant, request_id)): &(_, _, TimerKind, u32, Key)| DueTimer {
                tenant: tenant.clone(),
                request_id: request_id.clone(),
                kind: *kind,
                level: *level,
            };
        Ok(due.map(timer).collect())
    }

    async fn next_due(
        &self,
        run: Option<(&TenantId, &RunId)>,
    ) -> Result<Option<Timestamp>, HumanError> {
        let state = self.lock();
        let is_of = |key: &Key| {
            run.is_none_or(|(tenant, run)| {
                key.0 == *tenant
                    && state
                        .rows
                        .get(key)
                        .is_some_and(|row| row.request.run == *run)
            })
        };
        Ok(state
            .timers
            .iter()
            .find(|(.., key)| is_of(key))
            .map(|(at, ..)| *at))
    }

    async fn events(&self, tenant: &TenantId, run: &RunId) -> Result<Vec<HumanEvent>, HumanError> {
        let state = self.lock();
        let Some(wakeups) = state.wakeups.get(&(tenant.clone(), run.clone())) else {
            return Ok(Vec::new());
        };
        let event = |(id, wakeup): (&u64, &Wakeup)| {
            let row = state.row(tenant, &wakeup.request_id)?;
            let answered = row
                .response
                .clone()
                .map(|response| (row.request.clone(), response));
            let outcome = wakeup
                .happened
                .clone()
                .outcome(wakeup.request_id.clone(), answered)?;
            Some(HumanEvent {
                id: *id,
                at: wakeup.at,
                outcome,
            })
        };
        Ok(wakeups.iter().filter_map(event).collect())
    }

    async fn consume(
        &self,
        tenant: &TenantId,
        events: &[u64],
        _now: Timestamp,
    ) -> Result<(), HumanError> {
        let mut state = self.lock();
        state.wakeups.retain(|(of, _), wakeups| {
            if of == tenant {
                wakeups.retain(|id, _| !events.contains(id));
            }
            !wakeups.is_empty()
        });
        Ok(())
    }

    async fn purge(&self, tenant: &TenantId, before: Timestamp) -> Result<u64, HumanError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let old = |(key, row): (&Key, &Row)| {
            (key.0 == *tenant && row.request.closed_at.is_some_and(|at| at < before))
                .then(|| key.clone())
        };
        let mut keys: Vec<Key> = state.rows.iter().filter_map(old).collect();
        keys.retain(|key| !state.has_wakeup(key));
        for key in &keys {
            state.remove(key);
        }
        state.closed.retain(|key| !keys.contains(key));
        Ok(keys.len() as u64)
    }

    fn trails(&self) -> Option<&AuditTrails> {
        self.trails.as_ref()
    }

    fn changes(&self) -> &Changes {
        &self.shared.changes
    }

    fn is_shared(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::human::store::contract;

    #[tokio::test(flavor = "multi_thread")]
    async fn contract() {
        let store = MemoryInteractionStore::default();
        contract::check(Arc::new(store.clone()), Arc::new(store)).await;
    }
}
