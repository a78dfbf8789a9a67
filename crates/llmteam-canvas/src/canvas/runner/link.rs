//! The way from a running step back to the scheduler of its run.

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::mailbox::{Mailbox, StepMessage};
use crate::canvas::handler::StepError;
use crate::events::StepEvent;
use crate::runtime::{StepLink, StepSpec};

#[async_trait]
impl StepLink for Mailbox {
    fn emit(&self, step: &StepSpec, activation: u32, event: StepEvent) {
        // A run that is over has no use for the event.
        self.message(StepMessage::Emit {
            step_id: step.step_id.to_string(),
            activation,
            event,
        });
    }

    fn emits_calls(&self) -> bool {
        self.keeps_calls()
    }

    async fn intent(&self, step: &StepSpec, activation: u32, n: u32) -> Result<(), StepError> {
        let (recorded, done) = oneshot::channel();
        // A run that is over drops the message, and `done` says so.
        self.message(StepMessage::Intent {
            step_id: step.step_id.to_string(),
            activation,
            n,
            recorded,
        });
        done.await.map_err(|_| StepError::cancelled().fatal())
    }
}
