//! What tenants are using now.
//!
//! Invariant: asking and counting are one step, so that no two reservations together pass a limit. What is counted for
//! a span of time leaves no earlier than that span has passed. Counts are those of this process; this module does not
//! know what a tenant may use.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    error::TenantError,
    limits::{Limit, LimitKind},
};
use crate::{clock::Timestamp, id::TenantId};

/// A span of time is counted in so many parts; a part leaves as a whole.
const PARTS: u32 = 60;

/// The span over which a kind is counted; `None` for what is held until it is given back.
fn span(kind: LimitKind) -> Option<Duration> {
    match kind {
        LimitKind::RequestsPerMinute => Some(Duration::from_secs(60)),
        LimitKind::RunsPerDay => Some(Duration::from_secs(24 * 60 * 60)),
        LimitKind::ConcurrentPipelines | LimitKind::AgentsPerPipeline | LimitKind::Storage => None,
    }
}

/// The counts of all tenants. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    counts: Arc<Mutex<HashMap<(TenantId, LimitKind), Count>>>,
}

#[derive(Debug)]
enum Count {
    Held(u64),
    Recent(Recent),
}

impl Count {
    fn new(kind: LimitKind) -> Self {
        match span(kind) {
            None => Self::Held(0),
            Some(span) => Self::Recent(Recent {
                part: (span / PARTS).as_micros().try_into().unwrap_or(i64::MAX),
                parts: VecDeque::new(),
                total: 0,
            }),
        }
    }

    fn current(&mut self, now: Timestamp) -> u64 {
        match self {
            Self::Held(held) => *held,
            Self::Recent(recent) => recent.at(now),
        }
    }

    /// Counts `amount` and says in which part.
    fn add(&mut self, amount: u64, now: Timestamp) -> i64 {
        match self {
            Self::Held(held) => {
                *held = held.saturating_add(amount);
                0
            }
            Self::Recent(recent) => recent.add(amount, now),
        }
    }

    fn remove(&mut self, amount: u64, part: i64) {
        match self {
            Self::Held(held) => *held = held.saturating_sub(amount),
            Self::Recent(recent) => recent.remove(amount, part),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Held(held) => *held == 0,
            Self::Recent(recent) => recent.total == 0,
        }
    }
}

/// Amounts by the part of time in which they were counted.
#[derive(Debug)]
struct Recent {
    /// Microseconds of a part.
    part: i64,
    /// Number of the part and amount, oldest first.
    parts: VecDeque<(i64, u64)>,
    total: u64,
}

impl Recent {
    fn at(&mut self, now: Timestamp) -> u64 {
        let number = now.as_micros().div_euclid(self.part);
        // The oldest moment of a part must be a whole span ago before its newest may leave.
        while let Some((oldest, amount)) = self.parts.front().copied() {
            if number - oldest <= i64::from(PARTS) {
                break;
            }
            self.parts.pop_front();
            self.total -= amount;
        }
        self.total
    }

    fn add(&mut self, amount: u64, now: Timestamp) -> i64 {
        let number = now.as_micros().div_euclid(self.part);
        // A clock that went back counts in the newest part, so that the parts stay in order.
        let number = self.parts.back().map_or(number, |last| last.0.max(number));
        match self.parts.back_mut() {
            Some((last, counted)) if *last == number => *counted = counted.saturating_add(amount),
            _ => self.parts.push_back((number, amount)),
        }
        self.total = self.total.saturating_add(amount);
        number
    }

    fn remove(&mut self, amount: u64, part: i64) {
        if let Some((_, counted)) = self.parts.iter_mut().find(|it| it.0 == part) {
            let amount = amount.min(*counted);
            *counted -= amount;
            self.total -= amount;
        }
    }
}

impl Usage {
    /// Counts `amount` if `limit` leaves room for it.
    pub(super) fn reserve(
        &self,
        tenant: &TenantId,
        kind: LimitKind,
        amount: u64,
        limit: Limit,
        now: Timestamp,
    ) -> Result<Reservation, TenantError> {
        let mut counts = self.lock();
        let key = (tenant.clone(), kind);
        // The agents of one pipeline are not added to those of another.
        let alone = kind == LimitKind::AgentsPerPipeline;
        let count = counts.entry(key).or_insert_with(|| Count::new(kind));
        let current = if alone { 0 } else { count.current(now) };
        if !limit.allows(current, amount) {
            return Err(TenantError::LimitExceeded {
                tenant_id: tenant.clone(),
                limit_type: kind,
                current,
                maximum: limit.maximum().unwrap_or(u64::MAX),
            });
        }
        // What would not fit the counter is not counted twice when it is given back.
        let amount = if alone {
            0
        } else {
            amount.min(u64::MAX - current)
        };
        let part = count.add(amount, now);
        Ok(Reservation {
            usage: self.clone(),
            tenant: tenant.clone(),
            kind,
            amount,
            part,
        })
    }

    /// How much of `kind` is in use.
    pub(super) fn current(&self, tenant: &TenantId, kind: LimitKind, now: Timestamp) -> u64 {
        let mut counts = self.lock();
        let count = counts.get_mut(&(tenant.clone(), kind));
        count.map_or(0, |count| count.current(now))
    }

    /// Gives back `amount` of what was kept; what is counted for a span of time leaves by itself.
    pub(super) fn release(&self, tenant: &TenantId, kind: LimitKind, amount: u64) {
        if span(kind).is_none() {
            self.remove(tenant, kind, amount, 0);
        }
    }

    fn remove(&self, tenant: &TenantId, kind: LimitKind, amount: u64, part: i64) {
        let mut counts = self.lock();
        let key = (tenant.clone(), kind);
        if let Some(count) = counts.get_mut(&key) {
            count.remove(amount, part);
            if count.is_empty() {
                counts.remove(&key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, LimitKind), Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a limit that is taken. Dropping it gives the part back.
#[derive(Debug)]
#[must_use = "a reservation is given back when it is dropped"]
pub struct Reservation {
    usage: Usage,
    tenant: TenantId,
    kind: LimitKind,
    amount: u64,
    part: i64,
}

impl Reservation {
    /// Whose limit.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What is limited.
    pub fn kind(&self) -> LimitKind {
        self.kind
    }

    /// How much is taken.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Leaves it counted: requests and runs until their span of time has passed, all else until
    /// [`super::TenantManager::release`] gives it back.
    pub fn keep(mut self) {
        self.amount = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.usage
                .remove(&self.tenant, self.kind, self.amount, self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    proptest! {
        // covers: TEN-15
        #[test]
        fn no_span_of_time_holds_more_than_the_limit(
            steps in prop::collection::vec((0i64..40_000_000, 1u64..4), 1..60), limit in 1u64..6
        ) {
            let usage = Usage::default();
            let (mut now, mut admitted) = (0, Vec::new());
            for (wait, amount) in steps {
                now += wait;
                let taken = usage.reserve(&tenant(), LimitKind::RequestsPerMinute, amount, Limit::at(limit), at(now));
                if let Ok(taken) = taken {
                    taken.keep();
                    admitted.push((now, amount));
                }
                let recent: u64 = admitted.iter().filter(|it| it.0 > now - 60_000_000).map(|it| it.1).sum();
                prop_assert!(recent <= limit, "{recent} of {limit} at {now}");
            }
            // After the span and a part everything may be taken again.
            let later = at(now + 61_000_001);
            prop_assert!(usage.reserve(&tenant(), LimitKind::RequestsPerMinute, limit, Limit::at(limit), later).is_ok());
        }

        // covers: TEN-14
        #[test]
        fn what_is_held_is_what_was_taken_and_not_given_back(steps in prop::collection::vec((any::<bool>(), 0u64..5), 1..60)) {
            let (usage, limit) = (Usage::default(), Limit::at(7));
            let (mut held, mut model) = (Vec::new(), 0);
            for (take, amount) in steps {
                if take {
                    let taken = usage.reserve(&tenant(), LimitKind::Storage, amount, limit, at(0));
                    prop_assert_eq!(taken.is_ok(), model + amount <= 7);
                    if let Ok(taken) = taken {
                        model += amount;
                        held.push(taken);
                    }
                } else if let Some(back) = held.pop() {
                    model -= back.amount();
                }
                prop_assert_eq!(usage.current(&tenant(), LimitKind::Storage, at(0)), model);
            }
            drop(held);
            prop_assert_eq!(usage.current(&tenant(), LimitKind::Storage, at(0)), 0);
            let left: Vec<_> = usage.lock().values().map(Count::is_empty).collect();
            prop_assert!(left.iter().all(|empty| *empty));
        }
    }

    #[test]
    fn a_run_that_did_not_begin_is_not_counted_and_one_that_did_stays() {
        let (usage, limit) = (Usage::default(), Limit::at(1));
        let run = || usage.reserve(&tenant(), LimitKind::RunsPerDay, 1, limit, at(0));
        drop(run().unwrap());
        run().unwrap().keep();
        usage.release(&tenant(), LimitKind::RunsPerDay, 1);
        assert!(matches!(
            run(),
            Err(TenantError::LimitExceeded {
                current: 1,
                maximum: 1,
                ..
            })
        ));
    }

    #[test]
    fn what_is_kept_stays_until_it_is_released() {
        let (usage, limit) = (Usage::default(), Limit::at(100));
        let store = |bytes| usage.reserve(&tenant(), LimitKind::Storage, bytes, limit, at(0));
        store(80).unwrap().keep();
        assert!(store(30).is_err());
        usage.release(&tenant(), LimitKind::Storage, 50);
        assert_eq!(usage.current(&tenant(), LimitKind::Storage, at(0)), 30);
        assert!(store(70).is_ok());
        // Agents of one pipeline are compared alone.
        let agents = |n| usage.reserve(&tenant(), LimitKind::AgentsPerPipeline, n, limit, at(0));
        let (one, other) = (agents(100).unwrap(), agents(100).unwrap());
        assert!(agents(101).is_err());
        drop((one, other));
    }

    #[test]
    fn threads_together_never_pass_a_limit() {
        // covers: TEN-14
        let usage = Usage::default();
        let taken: usize = std::thread::scope(|scope| {
            let take = || {
                let reserve = || {
                    usage.reserve(
                        &tenant(),
                        LimitKind::ConcurrentPipelines,
                        1,
                        Limit::at(10),
                        at(0),
                    )
                };
                let taken: Vec<_> = (0..100).filter_map(|_| reserve().ok()).collect();
                let count = taken.len();
                taken.into_iter().for_each(Reservation::keep);
                count
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(taken, 10);
    }
}
