//! What can go wrong when a step reaches for a resource.

/// A resource, a secret or the runtime itself is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeContextError {
    /// No runtime is current here.
    #[error("no runtime context is active; run inside `RuntimeContext::scope`")]
    NotActive,
    /// A reference names nothing.
    #[error(transparent)]
    NotFound(#[from] ResourceNotFoundError),
    /// The provider refuses a secret.
    #[error(transparent)]
    Denied(#[from] SecretAccessDeniedError),
    /// The provider cannot be asked at the moment.
    #[error("secret `{secret}` cannot be read: {detail}")]
    SecretUnavailable {
        /// The secret's id.
        secret: String,
        /// Why, without the secret.
        detail: String,
    },
}

/// A reference names nothing in the runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ResourceNotFoundError(String);

impl ResourceNotFoundError {
    /// `<kind> '<id>' not found`.
    pub fn new(kind: &str, id: &str) -> Self {
        Self(format!("{kind} '{id}' not found"))
    }

    pub(crate) fn no_secrets() -> Self {
        Self("SecretsProvider not configured".to_owned())
    }
}

/// The secrets provider refuses to hand out a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("access to secret `{secret}` is denied")]
pub struct SecretAccessDeniedError {
    /// The secret's id.
    pub secret: String,
}
