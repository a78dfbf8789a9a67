//! Step types: what the palette shows, what validation knows and what runs them.

mod builtin;
mod metadata;
mod registry;
mod schema;

pub use self::metadata::{PortSpec, StepCategory, StepTypeMetadata};
pub use self::registry::StepCatalog;

#[cfg(test)]
mod tests;
