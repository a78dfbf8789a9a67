//! The projection of the journal that people watch.
//!
//! [`StepEvent`] is what happened, [`EventSource`] gives it identity, number and time, [`EventStore`]
//! keeps it and [`EventStream`] hands it to whoever watches.
//! This module does not know how a run is executed.

mod emitter;
mod error;
mod event;
mod kind;
mod memory;
mod payload;
mod projection;
mod step_event;
mod store;
mod stream;
mod subscription;
#[cfg(test)]
pub(crate) mod testing;

pub use self::emitter::EventEmitter;
pub use self::error::{EventStoreError, SubscriptionError};
pub use self::event::{ErrorInfo, EventId, EventSource, InvalidEventId, WorktrailEvent};
pub use self::kind::{EventSeverity, EventType, UnknownEventType};
pub use self::memory::MemoryEventStore;
pub use self::payload::MAX_PAYLOAD_BYTES;
pub use self::projection::Projection;
pub use self::step_event::{CallKind, StepEvent};
pub use self::store::{EventQuery, EventStore};
pub use self::stream::EventStream;
pub use self::subscription::Subscription;
