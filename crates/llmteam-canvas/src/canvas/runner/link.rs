//! The way from a running step back to the scheduler of its run.

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::canvas::handler::StepError;
use crate::events::StepEvent;
use crate::runtime::{StepLink, StepSpec};

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

/// The link that the runner hands to steps.
#[derive(Debug)]
pub(super) struct RunnerLink {
    messages: mpsc::UnboundedSender<StepMessage>,
    emits_calls: bool,
}

impl RunnerLink {
    pub(super) fn new(emits_calls: bool) -> (Self, mpsc::UnboundedReceiver<StepMessage>) {
        let (messages, receiver) = mpsc::unbounded_channel();
        (
            Self {
                messages,
                emits_calls,
            },
            receiver,
        )
    }
}

#[async_trait]
impl StepLink for RunnerLink {
    fn emit(&self, step: &StepSpec, activation: u32, event: StepEvent) {
        // A run that is over has no use for the event.
        let _ = self.messages.send(StepMessage::Emit {
            step_id: step.step_id.to_string(),
            activation,
            event,
        });
    }

    fn emits_calls(&self) -> bool {
        self.emits_calls
    }

    async fn intent(&self, step: &StepSpec, activation: u32, n: u32) -> Result<(), StepError> {
        let (recorded, done) = oneshot::channel();
        let step_id = step.step_id.to_string();
        let gone = || StepError::cancelled().fatal();
        self.messages
            .send(StepMessage::Intent {
                step_id,
                activation,
                n,
                recorded,
            })
            .map_err(|_| gone())?;
        done.await.map_err(|_| gone())
    }
}
