//! Tenants that were read a short while ago.
//!
//! Invariant: what it gives was read from the store no longer ago than the time to live, counted from before the
//! reading; it never holds more than its capacity; a reading that ends late never takes the place of a newer one.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::store::Tenant;
use crate::{clock::Timestamp, id::TenantId};

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// The longest time for which a change by another process goes unseen. Zero keeps nothing.
    pub time_to_live: Duration,
    /// How many tenants are kept. Zero keeps nothing.
    pub capacity: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            time_to_live: Duration::from_secs(5),
            capacity: 10_000,
        }
    }
}

impl CacheConfig {
    /// Keeps nothing: every question goes to the store.
    pub const OFF: Self = Self {
        time_to_live: Duration::ZERO,
        capacity: 0,
    };
}

#[derive(Debug)]
pub(super) struct Cache {
    config: CacheConfig,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<TenantId, Entry>,
    /// Ids in the order of their reading, each with the number of the reading; older numbers are left-overs.
    order: VecDeque<(TenantId, u64)>,
    readings: u64,
    /// Goes up when something is taken out on request: what was being read then may be old.
    cleared: u64,
}

#[derive(Debug)]
struct Entry {
    tenant: Tenant,
    read_at: Timestamp,
    reading: u64,
}

/// A reading of the store that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    began: Timestamp,
    cleared: u64,
}

impl Cache {
    pub(super) fn new(config: CacheConfig) -> Self {
        Self {
            config,
            entries: Mutex::default(),
        }
    }

    /// The tenant, when it was read recently enough.
    pub(super) fn get(&self, id: &TenantId, now: Timestamp) -> Option<Tenant> {
        let entries = self.lock();
        let entry = entries.by_id.get(id)?;
        // A clock that went back makes an entry old, not young for ever.
        let fresh = entry.read_at <= now && now.since(entry.read_at) < self.config.time_to_live;
        fresh.then(|| entry.tenant.clone())
    }

    /// Notes that a reading begins; to be called before the store is asked.
    pub(super) fn begin(&self, now: Timestamp) -> Reading {
        Reading {
            began: now,
            cleared: self.lock().cleared,
        }
    }

    /// Keeps what a reading gave, unless something newer is there or was taken out meanwhile.
    pub(super) fn put(&self, reading: Reading, tenant: &Tenant) {
        if self.config.capacity == 0 || self.config.time_to_live.is_zero() {
            return;
        }
        let mut entries = self.lock();
        let id = &tenant.config.tenant_id;
        let newer = entries.by_id.get(id).is_some_and(|entry| {
            (entry.tenant.version, entry.read_at) > (tenant.version, reading.began)
        });
        if newer || entries.cleared != reading.cleared {
            return;
        }
        entries.readings += 1;
        let entry = Entry {
            tenant: tenant.clone(),
            read_at: reading.began,
            reading: entries.readings,
        };
        let number = entry.reading;
        entries.by_id.insert(id.clone(), entry);
        entries.order.push_back((id.clone(), number));
        entries.shrink(self.config.capacity);
    }

    /// Takes out one tenant, or all.
    pub(super) fn invalidate(&self, id: Option<&TenantId>) {
        let mut entries = self.lock();
        entries.cleared += 1;
        match id {
            Some(id) => {
                entries.by_id.remove(id);
            }
            None => {
                entries.by_id.clear();
                entries.order.clear();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Takes out what was read longest ago, and left-overs, until both lists are bounded.
    fn shrink(&mut self, capacity: usize) {
        while self.by_id.len() > capacity || self.order.len() > capacity.saturating_mul(2) {
            let Some((id, reading)) = self.order.pop_front() else {
                return;
            };
            if self.by_id.get(&id).is_some_and(|it| it.reading == reading) {
                self.by_id.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::TenantConfig;

    fn tenant(id: &str, version: u64) -> Tenant {
        let config = TenantConfig::new(id.parse().unwrap(), "T");
        Tenant {
            config: config.into(),
            version,
            deleted_at: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn id(text: &str) -> TenantId {
        text.parse().unwrap()
    }

    #[test]
    fn what_was_read_too_long_ago_is_not_given() {
        // covers: TEN-22
        let cache = Cache::new(CacheConfig::default());
        let reading = cache.begin(at(10));
        cache.put(reading, &tenant("a", 1));
        assert!(cache.get(&id("a"), at(14)).is_some());
        assert!(cache.get(&id("a"), at(15)).is_none());
        // The clock was set back: nothing is young for ever.
        assert!(cache.get(&id("a"), at(9)).is_none());
    }

    #[test]
    fn a_late_reading_never_takes_the_place_of_a_newer_one() {
        // covers: TEN-23
        let cache = Cache::new(CacheConfig::default());
        let slow = cache.begin(at(10));
        let quick = cache.begin(at(11));
        cache.put(quick, &tenant("a", 2));
        cache.put(slow, &tenant("a", 1));
        assert_eq!(cache.get(&id("a"), at(12)).unwrap().version, 2);

        let slow = cache.begin(at(12));
        cache.invalidate(Some(&id("a")));
        cache.put(slow, &tenant("a", 2));
        assert!(cache.get(&id("a"), at(12)).is_none());
    }

    #[test]
    fn it_holds_no_more_than_its_capacity() {
        // covers: TEN-24
        let config = CacheConfig {
            capacity: 3,
            ..CacheConfig::default()
        };
        let cache = Cache::new(config);
        for n in 0..100 {
            let reading = cache.begin(at(10));
            cache.put(reading, &tenant(&format!("t{n}"), 1));
            // One that is read again and again does not push the others out.
            let reading = cache.begin(at(10));
            cache.put(reading, &tenant("t0", 1));
            let entries = cache.lock();
            assert!(entries.by_id.len() <= 3 && entries.order.len() <= 6);
        }
        assert!(cache.get(&id("t0"), at(10)).is_some() && cache.get(&id("t99"), at(10)).is_some());
        let off = Cache::new(CacheConfig::OFF);
        off.put(off.begin(at(10)), &tenant("a", 1));
        assert!(off.get(&id("a"), at(10)).is_none());
    }
}
