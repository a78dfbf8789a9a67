//! Step types: what the palette shows and what validation knows about each.

mod metadata;

pub use self::metadata::{PortSpec, StepCategory, StepTypeMetadata};
