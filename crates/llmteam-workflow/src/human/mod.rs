//! People: a question to a person or a group, kept alive across restarts until it is answered.
//!
//! Invariant: a request is answered once, by somebody who was asked; its answer and the wake-up of the run
//! that waits for it are stored together or not at all. This module does not know what a run is made of.

mod audit;
mod error;
mod escalation;
mod interaction;
mod manager;
mod outcome;
mod request;
mod response;
pub mod store;

pub use self::{
    error::{Fault, HumanError},
    escalation::{Fired, FiredEffect},
    interaction::{Assignee, InteractionPriority, InteractionStatus, InteractionType},
    manager::{HumanInteractionManager, Waited},
    outcome::{Happened, HumanEvent, HumanOutcome},
    request::{DEFAULT_TIMEOUT, InteractionOption, InteractionRequest, NewInteraction, TimerKind},
    response::{Answer, InteractionResponse},
    store::{InteractionFilter, InteractionMessage, InteractionStore, MemoryInteractionStore},
};
#[cfg(feature = "sqlite")]
pub use store::SqliteInteractionStore;
