//! One watcher of a run.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;

use super::stream::{Channel, Found, RunKey};
use super::{EventQuery, EventStream, SubscriptionError, WorktrailEvent};

/// The events of a run, stored ones first, then live ones (E-04).
///
/// Ends after the run's terminal event, or when it is ended from outside. Dropping it unsubscribes.
pub struct Subscription {
    stream: EventStream,
    key: RunKey,
    channel: Arc<Channel>,
    /// Where the subscription was asked to begin.
    after: Option<u64>,
    /// Number of the last event that was handed out.
    delivered: Option<u64>,
    /// Read, not handed out yet.
    ready: VecDeque<Arc<WorktrailEvent>>,
    replayed: bool,
    ended: bool,
}

impl Subscription {
    pub(super) fn new(
        stream: EventStream,
        key: RunKey,
        channel: Arc<Channel>,
        after: Option<u64>,
    ) -> Self {
        Self {
            stream,
            key,
            channel,
            after,
            delivered: after,
            ready: VecDeque::new(),
            replayed: false,
            ended: false,
        }
    }

    /// The next event; none after the end. An error is the end too. Safe to cancel.
    pub async fn next(&mut self) -> Option<Result<Arc<WorktrailEvent>, SubscriptionError>> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                self.delivered = Some(event.number());
                self.ended = event.event_type.is_terminal();
                return Some(Ok(event));
            }
            match self.read().await {
                Ok(true) => {}
                Ok(false) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// The same as a stream.
    pub fn into_stream(
        self,
    ) -> impl Stream<Item = Result<Arc<WorktrailEvent>, SubscriptionError>> + Send {
        unfold(self, async |mut it| {
            it.next().await.map(|event| (event, it))
        })
    }

    /// Waits until there is something to hand out; false when nothing will come.
    async fn read(&mut self) -> Result<bool, SubscriptionError> {
        if !self.replayed {
            self.ready = self.replay().await?.into();
            self.replayed = true;
            return Ok(true);
        }
        loop {
            let mut news = pin!(self.channel.news.notified());
            // Registered before the look: what is published in between wakes it.
            news.as_mut().enable();
            match self.channel.read_after(self.delivered, &mut self.ready) {
                Found::News => return Ok(true),
                Found::End => return Ok(false),
                Found::Lost => {
                    return Err(SubscriptionError::Lagged {
                        after: self.delivered.unwrap_or(0),
                    });
                }
                Found::Nothing => news.await,
            }
        }
    }

    async fn replay(&self) -> Result<Vec<Arc<WorktrailEvent>>, SubscriptionError> {
        let (tenant, run) = &self.key;
        let query = EventQuery {
            after: self.after,
            ..EventQuery::of_run(run)
        };
        let events = self.stream.store().find(tenant, &query).await?;
        let first = events.first().map(|event| event.number());
        match (self.after, first) {
            (Some(after), Some(first)) if first > after + 1 => {
                Err(SubscriptionError::Expired { after, first })
            }
            _ => Ok(events),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.stream.leave(&self.key, &self.channel);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("run_id", &self.key.1)
            .field("delivered", &self.delivered)
            .finish_non_exhaustive()
    }
}
