//! Live events of runs for any number of watchers.
//!
//! Invariant: publishing waits for nobody (E-05). Every run that is watched has one ring of its latest
//! events; all its watchers read from it, so the cost of publishing does not grow with their number.
//! This module does not know where events come from.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use llmteam_security::id::{RunId, TenantId};
use tokio::sync::Notify;

use super::{EventStore, EventStoreError, MemoryEventStore, Subscription, WorktrailEvent};

/// How far a watcher may fall behind, in events.
pub(super) const BUFFER: usize = 1_024;

pub(super) type RunKey = (TenantId, RunId);

/// Hands events to whoever watches. Clones are handles to one stream.
#[derive(Clone)]
pub struct EventStream(Arc<Inner>);

struct Inner {
    store: Arc<dyn EventStore>,
    channels: RwLock<HashMap<RunKey, Arc<Channel>>>,
    /// Watchers of all runs: zero spares the look into `channels`.
    watchers: AtomicUsize,
}

/// The ring of one watched run.
#[derive(Default)]
pub(super) struct Channel {
    ring: Mutex<Ring>,
    pub(super) news: Notify,
    watchers: AtomicUsize,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<Arc<WorktrailEvent>>,
    closed: bool,
}

/// What a watcher finds in the ring.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Events it had not seen.
    News,
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing will come.
    End,
    /// The ring has moved on: events were lost.
    Lost,
}

impl EventStream {
    /// A stream that replays from `store`.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self(Arc::new(Inner {
            store,
            channels: RwLock::default(),
            watchers: AtomicUsize::new(0),
        }))
    }

    /// Keeps an event and hands it to the run's watchers. Never waits and never fails.
    ///
    /// Events of a run are published in the order of their numbers.
    pub fn publish(&self, event: Arc<WorktrailEvent>) {
        match catch_unwind(AssertUnwindSafe(|| self.0.store.append(&event))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(event = %event.event_id, %error, "an event was not kept");
            }
            Err(_) => tracing::error!(event = %event.event_id, "the event store panicked"),
        }
        if self.0.watchers.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(channel) = self.channel(&event.tenant_id, &event.run_id) {
            channel.push(event);
        }
    }

    /// Whether an event of this run would reach anybody; if not, it need not be built.
    pub fn is_watched(&self, tenant: &TenantId, run: &RunId) -> bool {
        self.0.store.keeps_copies() || self.has_subscribers(tenant, run)
    }

    /// Watches a run: first the stored events after number `after` (all without one), then live ones,
    /// without gap or repeat, until the run has ended (E-04).
    pub fn subscribe(&self, tenant: &TenantId, run: &RunId, after: Option<u64>) -> Subscription {
        let key = (tenant.clone(), run.clone());
        let channel = {
            let mut channels = self
                .0
                .channels
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let channel = Arc::clone(channels.entry(key.clone()).or_default());
            channel.watchers.fetch_add(1, Ordering::AcqRel);
            self.0.watchers.fetch_add(1, Ordering::AcqRel);
            channel
        };
        Subscription::new(self.clone(), key, channel, after)
    }

    /// The stored events of a run.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn get_history(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
        self.0.store.get_by_run(tenant, run).await
    }

    /// Ends the streams of all watchers of a run, once they have read what was published.
    pub fn unsubscribe_all(&self, tenant: &TenantId, run: &RunId) {
        let key = (tenant.clone(), run.clone());
        let channel = self
            .0
            .channels
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
        if let Some(channel) = channel {
            channel.close();
        }
    }

    /// How many watch a run.
    pub fn get_subscriber_count(&self, tenant: &TenantId, run: &RunId) -> usize {
        if self.0.watchers.load(Ordering::Acquire) == 0 {
            return 0;
        }
        self.channel(tenant, run)
            .map_or(0, |it| it.watchers.load(Ordering::Acquire))
    }

    /// Whether anybody watches a run.
    pub fn has_subscribers(&self, tenant: &TenantId, run: &RunId) -> bool {
        self.get_subscriber_count(tenant, run) > 0
    }

    pub(super) fn store(&self) -> &dyn EventStore {
        &*self.0.store
    }

    /// Forgets a watcher, and the ring with the last one.
    pub(super) fn leave(&self, key: &RunKey, channel: &Arc<Channel>) {
        let mut channels = self
            .0
            .channels
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.0.watchers.fetch_sub(1, Ordering::AcqRel);
        let last = channel.watchers.fetch_sub(1, Ordering::AcqRel) == 1;
        if last && channels.get(key).is_some_and(|it| Arc::ptr_eq(it, channel)) {
            channels.remove(key);
        }
    }

    fn channel(&self, tenant: &TenantId, run: &RunId) -> Option<Arc<Channel>> {
        let channels = self
            .0
            .channels
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        channels.get(&(tenant.clone(), run.clone())).cloned()
    }
}

impl Default for EventStream {
    /// A stream that keeps its events in memory.
    fn default() -> Self {
        Self::new(Arc::new(MemoryEventStore::default()))
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("watchers", &self.0.watchers.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl Channel {
    fn push(&self, event: Arc<WorktrailEvent>) {
        {
            let mut ring = self.lock();
            if ring.events.len() == BUFFER {
                ring.events.pop_front();
            }
            ring.closed |= event.event_type.is_terminal();
            ring.events.push_back(event);
        }
        self.news.notify_waiters();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.news.notify_waiters();
    }

    /// Copies the events after number `seen` to `news`. Without `seen` there is nothing to miss.
    pub(super) fn read_after(
        &self,
        seen: Option<u64>,
        news: &mut VecDeque<Arc<WorktrailEvent>>,
    ) -> Found {
        let ring = self.lock();
        let first = ring.events.front().map(|event| event.number());
        if seen
            .zip(first)
            .is_some_and(|(seen, first)| first > seen + 1)
        {
            return Found::Lost;
        }
        let seen = seen.unwrap_or(0);
        let known = ring.events.partition_point(|event| event.number() <= seen);
        if known < ring.events.len() {
            news.extend(ring.events.range(known..).cloned());
            Found::News
        } else if ring.closed {
            Found::End
        } else {
            Found::Nothing
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_util::FutureExt;

    use super::*;
    use crate::events::testing::event_of;
    use crate::events::{EventQuery, EventType, SubscriptionError};

    fn ids() -> RunKey {
        ("t".parse().unwrap(), "r".parse().unwrap())
    }

    fn publish(stream: &EventStream, numbers: std::ops::RangeInclusive<u64>) {
        for n in numbers {
            stream.publish(Arc::new(event_of(
                "t",
                "r",
                n,
                EventType::StepStarted,
                Some("a"),
            )));
        }
    }

    fn end(stream: &EventStream, n: u64) {
        stream.publish(Arc::new(event_of(
            "t",
            "r",
            n,
            EventType::SegmentCompleted,
            None,
        )));
    }

    /// What a subscription gives without waiting.
    fn drain(subscription: &mut Subscription) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Some(Some(Ok(event))) = subscription.next().now_or_never() {
            numbers.push(event.number());
        }
        numbers
    }

    // covers: E-04
    #[tokio::test]
    async fn stored_then_live_without_gap_or_repeat_until_the_end() {
        let stream = EventStream::default();
        let (t, r) = ids();
        publish(&stream, 1..=3);
        let mut all = stream.subscribe(&t, &r, None);
        let mut late = stream.subscribe(&t, &r, Some(2));
        // Published between subscribing and the first read: in the store and in the ring.
        publish(&stream, 4..=5);
        assert_eq!(drain(&mut all), [1, 2, 3, 4, 5]);
        publish(&stream, 6..=7);
        assert_eq!(drain(&mut all), [6, 7]);
        assert_eq!(drain(&mut late), [3, 4, 5, 6, 7]);
        stream.publish(Arc::new(event_of(
            "t",
            "r",
            8,
            EventType::SegmentPaused,
            None,
        )));
        end(&stream, 9);
        assert_eq!(drain(&mut all), [8, 9]);
        assert!(all.next().await.is_none());
        // Who comes after the end gets the whole story, and the end.
        let mut after = stream.subscribe(&t, &r, Some(7));
        assert_eq!(drain(&mut after), [8, 9]);
        assert!(after.next().await.is_none());
    }

    // covers: E-04
    #[tokio::test]
    async fn a_waiting_watcher_is_woken() {
        let stream = EventStream::default();
        let (t, r) = ids();
        let mut watchers = Vec::new();
        for _ in 0..3 {
            let mut subscription = stream.subscribe(&t, &r, None);
            watchers.push(tokio::spawn(async move {
                let mut numbers = Vec::new();
                while let Some(event) = subscription.next().await {
                    numbers.push(event.unwrap().number());
                }
                numbers
            }));
        }
        for n in 1..=5 {
            publish(&stream, n..=n);
            tokio::task::yield_now().await;
        }
        end(&stream, 6);
        for watcher in watchers {
            assert_eq!(watcher.await.unwrap(), [1, 2, 3, 4, 5, 6]);
        }
        assert_eq!(stream.get_subscriber_count(&t, &r), 0);
        assert!(stream.0.channels.read().unwrap().is_empty());
    }

    // covers: E-05
    #[tokio::test]
    async fn a_slow_watcher_learns_where_it_fell_behind() {
        let stream = EventStream::default();
        let (t, r) = ids();
        publish(&stream, 1..=1);
        let mut slow = stream.subscribe(&t, &r, None);
        assert_eq!(drain(&mut slow), [1]);
        let buffer = u64::try_from(BUFFER).unwrap();
        publish(&stream, 2..=buffer + 1);
        let mut kept_up = stream.subscribe(&t, &r, Some(1));
        assert_eq!(drain(&mut kept_up).len(), BUFFER);
        publish(&stream, buffer + 2..=buffer + 2);
        let error = slow.next().await.unwrap().unwrap_err();
        assert_eq!(error, SubscriptionError::Lagged { after: 1 });
        assert!(slow.next().await.is_none());
        let mut again = stream.subscribe(&t, &r, Some(1));
        assert_eq!(drain(&mut again).first(), Some(&2));
    }

    // covers: E-04
    #[tokio::test]
    async fn what_is_no_longer_kept_is_not_silently_left_out() {
        let stream = EventStream::new(Arc::new(MemoryEventStore::new(2)));
        let (t, r) = ids();
        publish(&stream, 1..=5);
        let error = stream
            .subscribe(&t, &r, Some(1))
            .next()
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error, SubscriptionError::Expired { after: 1, first: 4 });
        assert_eq!(drain(&mut stream.subscribe(&t, &r, None)), [4, 5]);
    }

    // covers: events 24, events 25, X-97
    #[tokio::test]
    async fn runs_and_tenants_are_apart() {
        let stream = EventStream::default();
        let (t, r) = ids();
        assert_eq!(stream.get_subscriber_count(&t, &r), 0);
        assert!(!stream.has_subscribers(&t, &r));
        let mut foreign = stream.subscribe(&"other".parse().unwrap(), &r, None);
        let mut other_run = stream.subscribe(&t, &"s".parse().unwrap(), None);
        publish(&stream, 1..=1);
        assert_eq!(stream.get_history(&t, &r).await.unwrap().len(), 1);
        assert!(drain(&mut foreign).is_empty() && drain(&mut other_run).is_empty());
        assert!(!stream.has_subscribers(&t, &r));
        let watching = stream.subscribe(&t, &r, None);
        assert!(stream.has_subscribers(&t, &r));
        drop(watching);
        assert!(!stream.has_subscribers(&t, &r));
    }

    // covers: E-04
    #[tokio::test]
    async fn all_watchers_can_be_sent_away() {
        let stream = EventStream::default();
        let (t, r) = ids();
        let mut first = stream.subscribe(&t, &r, None);
        publish(&stream, 1..=2);
        stream.unsubscribe_all(&t, &r);
        assert_eq!(drain(&mut first), [1, 2]);
        assert!(first.next().await.is_none());
        // A new watcher has a new ring, and the old one's end does not take it away.
        let mut second = stream.subscribe(&t, &r, Some(2));
        drop(first);
        assert_eq!(stream.get_subscriber_count(&t, &r), 1);
        publish(&stream, 3..=3);
        assert_eq!(drain(&mut second), [3]);
    }

    /// A view of a journal that holds so many events, all published elsewhere; or a broken store.
    struct View(Option<u64>);

    #[async_trait]
    impl EventStore for View {
        fn append(&self, _: &Arc<WorktrailEvent>) -> Result<(), EventStoreError> {
            assert!(self.0.is_some(), "this store is broken");
            Ok(())
        }

        fn keeps_copies(&self) -> bool {
            false
        }

        async fn find(
            &self,
            _: &TenantId,
            query: &EventQuery,
        ) -> Result<Vec<Arc<WorktrailEvent>>, EventStoreError> {
            let last = self
                .0
                .ok_or_else(|| EventStoreError::Unavailable("gone".into()))?;
            let all = (1..=last).map(|n| event_of("t", "r", n, EventType::StepStarted, None));
            Ok(all
                .filter(|event| query.wants(event))
                .map(Arc::new)
                .collect())
        }

        async fn forget(&self, _: &TenantId, _: Option<&RunId>) -> Result<usize, EventStoreError> {
            Ok(0)
        }
    }

    // covers: E-04
    #[tokio::test]
    async fn over_a_journal_only_watched_runs_need_events() {
        let stream = EventStream::new(Arc::new(View(Some(3))));
        let (t, r) = ids();
        assert!(!stream.is_watched(&t, &r));
        assert!(EventStream::default().is_watched(&t, &r));
        let mut watching = stream.subscribe(&t, &r, Some(1));
        assert!(stream.is_watched(&t, &r));
        publish(&stream, 3..=4);
        assert_eq!(drain(&mut watching), [2, 3, 4]);
    }

    // covers: E-02, X-68
    #[tokio::test]
    async fn a_broken_store_stops_nobody_who_publishes() {
        let stream = EventStream::new(Arc::new(View(None)));
        let (t, r) = ids();
        let mut watching = stream.subscribe(&t, &r, None);
        publish(&stream, 1..=1);
        let error = watching.next().await.unwrap().unwrap_err();
        assert!(matches!(error, SubscriptionError::Store(_)));
    }

    // covers: E-05
    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn watchers_on_other_threads_miss_nothing() {
        let stream = EventStream::default();
        let (t, r) = ids();
        let last = 20_000;
        let watchers: Vec<_> = (0..4)
            .map(|_| {
                let (stream, t, r) = (stream.clone(), t.clone(), r.clone());
                tokio::spawn(async move {
                    let mut seen = 0;
                    while seen < last {
                        let mut subscription = stream.subscribe(&t, &r, Some(seen));
                        loop {
                            match subscription.next().await {
                                Some(Ok(event)) => {
                                    assert_eq!(event.number(), seen + 1);
                                    seen = event.number();
                                }
                                Some(Err(SubscriptionError::Lagged { after })) => {
                                    assert_eq!(after, seen);
                                    break;
                                }
                                Some(Err(error)) => panic!("{error}"),
                                None => break,
                            }
                        }
                    }
                })
            })
            .collect();
        for n in 1..last {
            publish(&stream, n..=n);
            if n % 512 == 0 {
                tokio::task::yield_now().await;
            }
        }
        end(&stream, last);
        for watcher in watchers {
            watcher.await.unwrap();
        }
    }
}
