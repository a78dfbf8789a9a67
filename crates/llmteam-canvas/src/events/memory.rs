//! Events in memory.
//!
//! Invariant: at most `max_events` are kept, whatever is done; the oldest goes first.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use llmteam_security::id::{RunId, TenantId};

use super::{EventQuery, EventStore, EventStoreError, WorktrailEvent};

/// A bounded copy of the latest events of all runs.
pub struct MemoryEventStore {
    max_events: usize,
    kept: Mutex<Kept>,
}

type RunKey = (TenantId, RunId);

#[derive(Default)]
struct Kept {
    /// By age.
    events: BTreeMap<u64, Arc<WorktrailEvent>>,
    /// Ages of the events of a run, oldest first. No run without events is listed.
    runs: HashMap<RunKey, VecDeque<u64>>,
    next: u64,
}

impl MemoryEventStore {
    /// How many events are kept unless told otherwise.
    pub const MAX_EVENTS: usize = 100_000;

    /// A store of at most `max_events` events.
    pub fn new(max_events: usize) -> Self {
        Self {
            max_events,
            kept: Mutex::default(),
        }
    }

    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryEventStore {
    fn default() -> Self {
        Self::new(Self::MAX_EVENTS)
    }
}

impl fmt::Debug for MemoryEventStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEventStore")
            .field("max_events", &self.max_events)
            .field("len", &self.len())
            .finish()
    }
}

fn key(event: &WorktrailEvent) -> RunKey {
    (event.tenant_id.clone(), event.run_id.clone())
}

impl Kept {
    fn add(&mut self, event: &Arc<WorktrailEvent>) {
        let age = self.next;
        self.next += 1;
        self.events.insert(age, Arc::clone(event));
        self.runs.entry(key(event)).or_default().push_back(age);
    }

    fn drop_oldest(&mut self) {
        let Some((_, event)) = self.events.pop_first() else {
            return;
        };
        let key = key(&event);
        if let Some(ages) = self.runs.get_mut(&key) {
            // The oldest event of all is the oldest of its run.
            ages.pop_front();
            if ages.is_empty() {
                self.runs.remove(&key);
            }
        }
    }

    fn remove_run(&mut self, key: &RunKey) -> usize {
        let ages = self.runs.remove(key).unwrap_or_default();
        for age in &ages {
            self.events.remove(age);
        }
        ages.len()
    }
}

#[async_trait]
impl EventStore for MemoryEventStore {
    fn append(&self, event: &Arc<WorktrailEvent>) -> Result<(), EventStoreError> {
        let mut kept = self.lock();
        kept.add(event);
        while kept.events.len() > self.max_events {
            kept.drop_oldest();
        }
        Ok(())
    }

    async fn find(
        &self,
        tenant: &TenantId,
        query: &EventQuery,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        let kept = self.lock();
        let wanted =
            |event: &&Arc<WorktrailEvent>| event.tenant_id == *tenant && query.wants(event);
        let found = match &query.run_id {
            Some(run) => kept
                .runs
                .get(&(tenant.clone(), run.clone()))
                .into_iter()
                .flatten()
                .filter_map(|age| kept.events.get(age))
                .filter(wanted)
                .cloned()
                .collect(),
            None => kept.events.values().filter(wanted).cloned().collect(),
        };
        Ok(found)
    }

    async fn forget(
        &self,
        tenant: &TenantId,
        run: Option<&RunId>,
    ) -> Result<usize, EventStoreError> {
        let mut kept = self.lock();
        let keys: Vec<RunKey> = match run {
            Some(run) => vec![(tenant.clone(), run.clone())],
            None => kept
                .runs
                .keys()
                .filter(|(its, _)| its == tenant)
                .cloned()
                .collect(),
        };
        Ok(keys.iter().map(|key| kept.remove_run(key)).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::testing::{at, event_of};
    use crate::events::{ErrorInfo, EventType};

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
        text.parse().unwrap()
    }

    fn numbers(events: &[Arc<WorktrailEvent>]) -> Vec<u64> {
        events.iter().map(|it| it.number()).collect()
    }

    // covers: events 20, events 21, events 22, X-97
    #[tokio::test]
    async fn reads_are_filtered_and_never_leave_the_tenant() {
        let store = MemoryEventStore::default();
        let (t, r) = (id::<TenantId>("t"), id::<RunId>("r"));
        let mut failed = event_of("t", "r", 3, EventType::StepFailed, Some("b"));
        failed.error = Some(ErrorInfo::new("Boom", "boom"));
        for event in [
            event_of("t", "r", 1, EventType::SegmentStarted, None),
            event_of("t", "r", 2, EventType::StepStarted, Some("a")),
            event_of("other", "r", 1, EventType::StepStarted, Some("a")),
            failed,
            event_of("t", "s", 1, EventType::StepStarted, Some("a")),
        ] {
            store.append(&Arc::new(event)).unwrap();
        }
        assert_eq!(numbers(&store.get_by_run(&t, &r).await.unwrap()), [1, 2, 3]);
        assert_eq!(numbers(&store.get_after(&t, &r, 1).await.unwrap()), [2, 3]);
        assert_eq!(
            numbers(&store.get_by_step(&t, &r, &id("a")).await.unwrap()),
            [2]
        );
        let started = store
            .get_by_type(&t, &r, EventType::StepStarted)
            .await
            .unwrap();
        assert_eq!(numbers(&started), [2]);
        assert_eq!(numbers(&store.get_errors(&t, &r).await.unwrap()), [3]);
        assert_eq!(store.get_by_tenant(&t).await.unwrap().len(), 4);
        assert_eq!(store.get_by_segment(&t, &id("seg")).await.unwrap().len(), 4);
        assert_eq!(store.count_by_run(&id("other"), &r).await.unwrap(), 1);
        // An event of number n is at second n.
        let range = store.get_by_time_range(&t, &r, at(2), at(3)).await.unwrap();
        assert_eq!(numbers(&range), [2, 3]);
    }

    // covers: events 23
    #[tokio::test]
    async fn the_bound_holds_after_clearing_and_the_oldest_goes_first() {
        let store = MemoryEventStore::new(3);
        let t = id::<TenantId>("t");
        let fill = |run: &str, count: u64| {
            for n in 1..=count {
                store
                    .append(&Arc::new(event_of(
                        "t",
                        run,
                        n,
                        EventType::StepStarted,
                        None,
                    )))
                    .unwrap();
            }
        };
        fill("r", 2);
        fill("s", 3);
        assert_eq!(store.len(), 3);
        assert!(store.get_by_run(&t, &id("r")).await.unwrap().is_empty());
        fill("r", 1);
        assert_eq!(
            numbers(&store.get_by_run(&t, &id("s")).await.unwrap()),
            [2, 3]
        );
        assert_eq!(store.clear_by_run(&t, &id("s")).await.unwrap(), 2);
        assert_eq!(store.clear_by_run(&t, &id("s")).await.unwrap(), 0);
        fill("s", 7);
        assert_eq!(store.len(), 3);
        assert_eq!(
            numbers(&store.get_by_run(&t, &id("s")).await.unwrap()),
            [5, 6, 7]
        );
        store.clear(&id("other")).await.unwrap();
        assert_eq!(store.len(), 3);
        store.clear(&t).await.unwrap();
        assert!(store.is_empty());
    }
}
