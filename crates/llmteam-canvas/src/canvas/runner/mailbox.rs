//! What hosts and steps have to say to the scheduler of a run, and what it says of itself.
//!
//! Invariant: once the reading end is gone nothing is taken in any more, and whoever waits for a reply
//! learns it, because what was not read is dropped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::{RunnerError, SegmentStatus};
use crate::events::StepEvent;

/// The answer to a pause: the snapshot, or none if the run ended first.
pub(super) type PauseReply = oneshot::Sender<Result<Option<String>, RunnerError>>;

/// What a host asks of a live run.
#[derive(Debug)]
pub(super) enum Control {
    /// Stop starting steps and save a snapshot.
    Pause(PauseReply),
    /// End the run.
    Cancel {
        /// Why.
        reason: String,
        /// Whether to drop handlers at once.
        force: bool,
        /// Whether the run was cancelled by this.
        reply: oneshot::Sender<bool>,
    },
}

/// What a step says while it runs.
#[derive(Debug)]
pub(super) enum StepMessage {
    /// Record an event.
    Emit {
        step_id: String,
        activation: u32,
        event: StepEvent,
    },
    /// Record that a call that must not be repeated is about to be made; answer once it is durable.
    Intent {
        step_id: String,
        activation: u32,
        n: u32,
        recorded: oneshot::Sender<()>,
    },
}

/// The writing end; everybody who knows the run may hold it.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    content: Mutex<Content>,
    /// Whether something waits to be read. Spares the reader the lock.
    filled: AtomicBool,
    arrived: Notify,
    /// Whether the run keeps call events.
    keeps_calls: AtomicBool,
}

#[derive(Debug)]
struct Content {
    open: bool,
    status: SegmentStatus,
    controls: Vec<Control>,
    messages: Vec<StepMessage>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            open: true,
            status: SegmentStatus::Pending,
            controls: Vec::new(),
            messages: Vec::new(),
        }
    }
}

impl Mailbox {
    /// Asks something of the run. False: nobody reads any more.
    pub(super) fn control(&self, control: Control) -> bool {
        self.put(|it| it.controls.push(control))
    }

    /// Says something on behalf of a step. False: nobody reads any more.
    pub(super) fn message(&self, message: StepMessage) -> bool {
        self.put(|it| it.messages.push(message))
    }

    /// What the run is doing, as it last said.
    pub(super) fn status(&self) -> SegmentStatus {
        self.lock().status
    }

    /// Whether the run keeps call events.
    pub(super) fn keeps_calls(&self) -> bool {
        self.keeps_calls.load(Ordering::Relaxed)
    }

    fn put(&self, put: impl FnOnce(&mut Content)) -> bool {
        let mut content = self.lock();
        if !content.open {
            return false;
        }
        put(&mut content);
        self.filled.store(true, Ordering::Release);
        drop(content);
        self.arrived.notify_one();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reading end, which the scheduler of the run holds.
#[derive(Debug)]
pub(super) struct Inbox(Arc<Mailbox>);

impl Inbox {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self(mailbox)
    }

    /// The other end.
    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.0
    }

    /// Says whether the run keeps call events.
    pub(super) fn keep_calls(&self, keep: bool) {
        self.0.keeps_calls.store(keep, Ordering::Relaxed);
    }

    /// Says what the run is doing.
    pub(super) fn tell(&self, status: SegmentStatus) {
        self.0.lock().status = status;
    }

    /// Whether there is something to take. Costs no lock.
    pub(super) fn is_filled(&self) -> bool {
        self.0.filled.load(Ordering::Relaxed)
    }

    /// Takes everything out.
    pub(super) fn take(&self) -> (Vec<Control>, Vec<StepMessage>) {
        let mut content = self.0.lock();
        self.0.filled.store(false, Ordering::Relaxed);
        (
            std::mem::take(&mut content.controls),
            std::mem::take(&mut content.messages),
        )
    }

    /// Waits until there is something to take.
    pub(super) async fn arrived(&self) {
        while !self.0.filled.load(Ordering::Acquire) {
            self.0.arrived.notified().await;
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let unread = {
            let mut content = self.0.lock();
            content.open = false;
            (
                std::mem::take(&mut content.controls),
                std::mem::take(&mut content.messages),
            )
        };
        drop(unread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause() -> (
        Control,
        oneshot::Receiver<Result<Option<String>, RunnerError>>,
    ) {
        let (reply, answer) = oneshot::channel();
        (Control::Pause(reply), answer)
    }

    #[tokio::test]
    async fn what_is_put_in_arrives_once() {
        let inbox = Inbox::new(Arc::default());
        assert!(!inbox.is_filled());
        let (control, _answer) = pause();
        assert!(inbox.mailbox().control(control));
        inbox.arrived().await;
        let (controls, messages) = inbox.take();
        assert_eq!((controls.len(), messages.len()), (1, 0));
        assert!(!inbox.is_filled());
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_and_one_that_leaves_answers_nobody() {
        let inbox = Arc::new(Inbox::new(Arc::default()));
        let mailbox = Arc::clone(inbox.mailbox());
        let reader = tokio::spawn(async move {
            inbox.arrived().await;
            drop(inbox);
        });
        let (control, answer) = pause();
        assert!(mailbox.control(control));
        reader.await.unwrap();
        assert!(answer.await.is_err());
        assert!(!mailbox.control(pause().0));
    }
}
