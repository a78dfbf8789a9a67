//! What can go wrong with kept and streamed events. None of it ever changes a run (E-02).

/// A store of events did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventStoreError {
    /// The store could not be reached, or failed.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored is no event.
    #[error("the stored events of run `{run}` are damaged: {detail}")]
    Damaged {
        /// The run.
        run: String,
        /// What is wrong.
        detail: String,
    },
}

/// Why a subscription ended before the run did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// The subscriber read too slowly. Subscribing again after this event loses nothing (E-05).
    #[error("the subscriber fell behind after event {after}; subscribe again from there")]
    Lagged {
        /// Number of the last event that was delivered; 0 when there was none.
        after: u64,
    },
    /// Events that were asked for are no longer kept.
    #[error("the events after {after} are no longer kept; the first kept one is {first}")]
    Expired {
        /// The number that was asked for.
        after: u64,
        /// Number of the first event that is kept.
        first: u64,
    },
    /// The stored events could not be read.
    #[error(transparent)]
    Store(#[from] EventStoreError),
}
