//! The contract of an agent: fields in, fields out.
//!
//! Invariant: an agent sees the input that it is handed and nothing else; what it returns is a patch, never
//! the state that it was given. This module does not know who calls an agent, how often or beside whom.

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use serde_json::{Map, Value};

/// The named JSON values that an agent takes and returns.
pub type Fields = Map<String, Value>;

/// Something that works: a language-model agent, a pipeline, a function.
///
/// `process` may be called by several callers at once and again after a failure. Its future is dropped when the
/// caller's deadline passes, so it must leave nothing half done at an `.await`. Work that blocks its thread belongs
/// on another pool: the executor has one.
#[async_trait]
pub trait Agent: Send + Sync {
    /// How the agent is called in results, logs and decisions.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Does the work.
    ///
    /// # Errors
    ///
    /// Says whether another attempt may help: [`AgentErrorKind`].
    async fn process(&self, input: &Fields) -> Result<Fields, AgentError>;

    /// What the agent says of itself to who decides; `None` when it keeps no state.
    ///
    /// # Errors
    ///
    /// The agent cannot say; the decision then counts its state as unknown.
    async fn get_state(&self) -> Result<Option<Fields>, AgentError> {
        Ok(None)
    }
}

/// A shared agent is an agent. Written out, so that no second future is boxed around the first.
impl<A: Agent + ?Sized> Agent for Arc<A> {
    fn name(&self) -> Option<&str> {
        (**self).name()
    }

    fn process<'a, 'b, 'c>(
        &'a self,
        input: &'b Fields,
    ) -> Pin<Box<dyn Future<Output = Result<Fields, AgentError>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        (**self).process(input)
    }

    fn get_state<'a, 'c>(
        &'a self,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Fields>, AgentError>> + Send + 'c>>
    where
        'a: 'c,
        Self: 'c,
    {
        (**self).get_state()
    }
}

/// What a failed agent means for another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentErrorKind {
    /// Another attempt may succeed.
    Transient,
    /// Another attempt would fail the same way.
    Permanent,
    /// The agent gave up because it was told to.
    Cancelled,
}

impl AgentErrorKind {
    /// The kind as errors and results name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient failure",
            Self::Permanent => "permanent failure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why an agent did not do its work. The message is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentError {
    kind: AgentErrorKind,
    message: Cow<'static, str>,
}

impl AgentError {
    /// An error of a kind; an empty message becomes the name of the kind.
    pub fn new(kind: AgentErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        let message = if message.trim().is_empty() {
            Cow::Borrowed(kind.as_str())
        } else {
            message
        };
        Self { kind, message }
    }

    /// An error that another attempt may not meet.
    pub fn transient(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(AgentErrorKind::Transient, message)
    }

    /// An error that every attempt will meet.
    pub fn permanent(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(AgentErrorKind::Permanent, message)
    }

    /// What it means for another attempt.
    pub fn kind(&self) -> AgentErrorKind {
        self.kind
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AgentError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_always_says_something() {
        assert_eq!(AgentError::transient("").message(), "transient failure");
        assert_eq!(AgentError::permanent("  ").message(), "permanent failure");
        assert_eq!(
            AgentError::permanent("no such table").message(),
            "no such table"
        );
    }
}
