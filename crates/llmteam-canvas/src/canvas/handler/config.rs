//! The built-in handlers' look at their configuration.
//!
//! Invariant: a handler reads a configuration only after it was found valid, so that reading it has no
//! errors of its own but those no schema can say.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::StepError;
use crate::canvas::catalog::StepCatalog;

/// The compiled schemas of the built-in types.
static SCHEMAS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let catalog = StepCatalog::with_builtins();
    let types = catalog.list_all().into_iter();
    types
        .filter_map(|it| {
            let schema = Value::Object(it.config_schema.clone());
            Some((it.type_id.clone(), jsonschema::validator_for(&schema).ok()?))
        })
        .collect()
});

/// Refuses a configuration that breaks the schema of a built-in type.
pub(super) fn check(step_type: &str, config: &Map<String, Value>) -> Result<(), StepError> {
    let Some(schema) = SCHEMAS.get(step_type) else {
        return Ok(());
    };
    let config = Value::Object(config.clone());
    let faults: Vec<String> = schema
        .iter_errors(&config)
        .map(|error| sentence(&error))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(StepError::invalid_config(step_type, &faults))
    }
}

fn sentence(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!(
                "Missing required field: {}",
                property.as_str().unwrap_or_default()
            )
        }
        _ => {
            let path = error
                .instance_path()
                .as_str()
                .trim_start_matches('/')
                .replace('/', ".");
            format!("{path}: {error}")
        }
    }
}

/// A text of a checked configuration.
pub(super) fn text<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    config.get(key).and_then(Value::as_str)
}
