//! People: a question to a person or a group, kept alive across restarts until it is answered.
//!
//! Invariant: a request is answered once, by somebody who was asked; its answer and the wake-up of the run
//! that waits for it are stored together or not at all. This module does not know what a run is made of.

mod error;
mod interaction;
mod request;
mod response;

pub use self::{
    error::{Fault, HumanError},
    interaction::{Assignee, InteractionPriority, InteractionStatus, InteractionType},
    request::{DEFAULT_TIMEOUT, InteractionOption, InteractionRequest, NewInteraction},
    response::{Answer, InteractionResponse},
};
