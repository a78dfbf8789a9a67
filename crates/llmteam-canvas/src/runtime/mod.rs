//! What a step may reach: resources by reference, its input, its own state.
//!
//! Segments name resources; live objects and secret values exist only here.
//! This module does not know when a step runs, nor what its result is used for.

mod context;
mod error;
mod hooks;
mod input;
mod local_state;
mod manager;
mod port_name;
mod registry;
mod scope;
mod shared_run;
mod step_context;
mod step_spec;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// A store as segments know it.
pub use llmteam_security::kv::KeyValueStore as Store;
pub use llmteam_security::secret::{Secret, SecretsProvider};
pub use llmteam_workflow::egress::Client;

pub use self::context::{RuntimeContext, RuntimeContextBuilder};
pub use self::error::{ResourceNotFoundError, RuntimeContextError, SecretAccessDeniedError};
pub use self::input::{PortValues, StepInput};
pub use self::local_state::LocalState;
pub use self::manager::{RuntimeContextFactory, RuntimeContextManager};
pub use self::port_name::PortName;
pub use self::registry::{ClientRegistry, LLMRegistry, Registry, Resource, StoreRegistry};
pub use self::scope::{RuntimeScope, get_current_runtime};
pub(crate) use self::shared_run::SharedRun;
pub(crate) use self::step_context::Activation;
pub use self::step_context::{StepContext, StepLink};
pub use self::step_spec::StepSpec;
