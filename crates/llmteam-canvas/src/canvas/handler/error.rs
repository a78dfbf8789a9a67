//! The error a step can end with.

use llmteam_security::kv::KvError;
use serde::{Deserialize, Serialize};

use crate::runtime::{ResourceNotFoundError, RuntimeContextError};

/// Why one attempt of a step failed.
///
/// `error_type` is the CamelCase name people see, `error_code` the stable
/// `UPPER_SNAKE` code of `docs/errors`. A recoverable error may be retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error_type}: {error_message}")]
pub struct StepError {
    /// CamelCase name of the kind of error.
    pub error_type: String,
    /// What failed, for a person.
    pub error_message: String,
    /// Stable code, where one exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Whether another attempt may succeed.
    #[serde(default = "recoverable_by_default")]
    pub recoverable: bool,
}

fn recoverable_by_default() -> bool {
    true
}

impl StepError {
    /// A recoverable error without a code: what a handler's own failure is by default.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            error_type: error_type.into(),
            error_message: message.into(),
            error_code: None,
            recoverable: true,
        }
    }

    /// The same error with a stable code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.error_code = Some(code.into());
        self
    }

    /// The same error, never retried.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.recoverable = false;
        self
    }

    /// `InvalidStepConfigError`: the step's configuration breaks its schema.
    pub fn invalid_config(step_type: &str, faults: &[String]) -> Self {
        Self::new(
            "InvalidStepConfigError",
            format!(
                "Invalid config for step type '{step_type}': {}",
                faults.join(", ")
            ),
        )
        .with_code("INVALID_CONFIG")
        .fatal()
    }

    /// `ResourceNotFoundError`: a reference names nothing in the runtime.
    pub fn resource_not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundError", message)
            .with_code("RESOURCE_NOT_FOUND")
            .fatal()
    }

    /// `CancelledError`: the run ended before the step did.
    pub fn cancelled() -> Self {
        Self::new("CancelledError", "the step was cancelled").with_code("CANCELLED")
    }

    /// `OutcomeUnknown`: the call may have taken effect and must not be repeated.
    pub fn outcome_unknown(message: impl Into<String>) -> Self {
        Self::new("OutcomeUnknown", message)
            .with_code("OUTCOME_UNKNOWN")
            .fatal()
    }
}

impl From<ResourceNotFoundError> for StepError {
    fn from(error: ResourceNotFoundError) -> Self {
        Self::resource_not_found(error.to_string())
    }
}

impl From<RuntimeContextError> for StepError {
    fn from(error: RuntimeContextError) -> Self {
        let message = error.to_string();
        match error {
            RuntimeContextError::NotFound(_) => Self::resource_not_found(message),
            RuntimeContextError::Denied(_) | RuntimeContextError::SecretUnavailable { .. } => {
                Self::new("SecretAccessDeniedError", message)
                    .with_code("SECRET_DENIED")
                    .fatal()
            }
            RuntimeContextError::NotActive => Self::new("RuntimeContextError", message).fatal(),
        }
    }
}

impl From<KvError> for StepError {
    fn from(error: KvError) -> Self {
        let message = error.to_string();
        match error {
            KvError::Unavailable(_) => Self::new("StoreError", message),
            KvError::Damaged(_) | KvError::NoTenant | KvError::Unscoped => {
                Self::new("StoreError", message).fatal()
            }
        }
    }
}
