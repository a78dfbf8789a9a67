//! What is asked of a model.

use std::time::Duration;

use serde_json::{Map, Value};

use super::message::{Message, Tool};
use crate::call::Caller;

/// One request. What is not set is left to the provider's configuration, then to the vendor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// Tools the model may ask for.
    pub tools: Vec<Tool>,
    /// JSON Schema the answer must follow; `true` asks for any JSON object.
    pub response_schema: Option<Value>,
    /// Randomness, as the vendor defines it.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u32>,
    /// The model, instead of the provider's own.
    pub model: Option<String>,
    /// Further members of the vendor's request body; they win over those this type makes.
    pub extra: Map<String, Value>,
    /// How long the whole answer may take.
    pub timeout: Option<Duration>,
    /// Who asks. Never sent to a vendor; a scripted provider answers by it.
    pub caller: Option<Caller>,
}

impl ChatRequest {
    /// A request with this conversation and nothing else set.
    pub fn new(messages: impl Into<Vec<Message>>) -> Self {
        Self {
            messages: messages.into(),
            ..Self::default()
        }
    }

    /// The last thing a user said, or nothing.
    pub fn last_user_text(&self) -> &str {
        let user = |it: &&Message| matches!(it, Message::User { .. });
        self.messages
            .iter()
            .rev()
            .find(user)
            .map_or("", Message::text)
    }
}

/// The options of [`LlmProvider::complete`](super::LlmProvider::complete).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompletionOptions {
    /// Instructions ahead of the prompt.
    pub system_prompt: Option<String>,
    /// See [`ChatRequest::temperature`].
    pub temperature: Option<f64>,
    /// See [`ChatRequest::max_tokens`].
    pub max_tokens: Option<u32>,
    /// See [`ChatRequest::model`].
    pub model: Option<String>,
    /// See [`ChatRequest::extra`].
    pub extra: Map<String, Value>,
    /// See [`ChatRequest::timeout`].
    pub timeout: Option<Duration>,
    /// See [`ChatRequest::caller`].
    pub caller: Option<Caller>,
}

impl CompletionOptions {
    /// The request that asks `prompt` with these options.
    pub fn request(self, prompt: &str) -> ChatRequest {
        let system = self.system_prompt.map(Message::system);
        ChatRequest {
            messages: system.into_iter().chain([Message::user(prompt)]).collect(),
            tools: Vec::new(),
            response_schema: None,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            model: self.model,
            extra: self.extra,
            timeout: self.timeout,
            caller: self.caller,
        }
    }
}
