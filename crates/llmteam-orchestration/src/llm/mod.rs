//! The contract between llmteam and language models.
//!
//! Invariant: every model, remote or scripted, is reached through [`LlmProvider`]; its answers, streams
//! and faults mean the same whoever gives them.
//! This module does not know HTTP, keys, retries, or which vendor answers.

mod error;
mod message;
mod request;
mod response;
mod scripted;
mod usage;

use std::fmt;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

pub use self::{
    error::LlmError,
    message::{Message, Tool, ToolCall},
    request::{ChatRequest, CompletionOptions},
    response::{ChatDelta, ChatResponse, FinishReason, collect},
    scripted::{ScriptError, ScriptedProvider},
    usage::Usage,
};

/// A language model, or a service that offers several.
///
/// An implementation
/// - makes one attempt per call: whether to repeat it is the caller's decision, see [`LlmError::sent`];
/// - gives up when the request's `timeout` has passed, with [`LlmError::Timeout`];
/// - keeps credentials out of errors and of its `Debug`;
/// - stops the work when the returned future or stream is dropped.
#[async_trait]
pub trait LlmProvider: Send + Sync + fmt::Debug {
    /// Asks for one whole answer.
    async fn chat(&self, request: ChatRequest) -> Result<ChatResponse, LlmError>;

    /// Asks for an answer piece by piece.
    ///
    /// A stream that ended well ends with exactly one [`ChatDelta::Finished`]. After an error nothing
    /// follows. A stream that was cut yields [`LlmError::Interrupted`], never a silent end.
    fn stream(&self, request: ChatRequest) -> BoxStream<'static, Result<ChatDelta, LlmError>>;

    /// The text of one answer to one prompt.
    async fn complete(&self, prompt: &str, options: CompletionOptions) -> Result<String, LlmError> {
        Ok(self.chat(options.request(prompt)).await?.text)
    }
}

/// The spelling of earlier releases, for bounds and trait objects; every [`LlmProvider`] is one.
#[deprecated(since = "2.0.0", note = "use `LlmProvider`")]
pub trait LLMProvider: LlmProvider {}

#[expect(deprecated, reason = "the old spelling is kept for every provider")]
impl<T: LlmProvider + ?Sized> LLMProvider for T {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::LlmProvider;

    /// Fails to compile when the trait stops being object safe, or the old spelling stops being one.
    #[test]
    fn providers_are_objects_under_both_names() {
        #[expect(deprecated, reason = "the old spelling must stay usable")]
        fn old(it: Arc<dyn super::LLMProvider>) -> Arc<dyn LlmProvider> {
            it
        }
        let _ = old;
    }
}
