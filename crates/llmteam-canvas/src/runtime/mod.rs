//! What a step may reach: resources by reference, its input, its own state.

mod input;
mod step_context;

pub use self::input::{PortValues, StepInput};
pub(crate) use self::step_context::Activation;
pub use self::step_context::{StepContext, StepLink, StepSpec};
