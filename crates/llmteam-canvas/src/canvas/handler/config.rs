//! The built-in handlers' look at their configuration.
//!
//! Invariant: a handler reads a configuration only after it was found valid, so that reading it has no
//! errors of its own but those no schema can say.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::StepError;
use crate::canvas::catalog::StepCatalog;

/// The built-in types with their schemas, compiled once.
static BUILTINS: LazyLock<StepCatalog> = LazyLock::new(StepCatalog::with_builtins);

/// Refuses a configuration that breaks the schema of a built-in type.
pub(super) fn check(step_type: &str, config: &Map<String, Value>) -> Result<(), StepError> {
    let faults = BUILTINS.validate_step_config(step_type, config);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(StepError::invalid_config(step_type, &faults))
    }
}

/// A text of a checked configuration.
pub(super) fn text<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    config.get(key).and_then(Value::as_str)
}
