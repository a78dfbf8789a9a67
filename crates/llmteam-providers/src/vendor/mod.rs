//! What differs between vendors: how a request is written and an answer read.
//!
//! Invariant: these are functions of their input; nothing here sends, waits or keeps anything but the
//! state of one stream.

mod anthropic;
mod ollama;
mod openai;

use llmteam_orchestration::llm::{ChatDelta, ChatRequest, ChatResponse, LlmError};
use llmteam_security::secret::Secret;
use serde_json::Value;

pub(crate) use self::{anthropic::Anthropic, ollama::Ollama, openai::OpenAi};
use crate::framing::{Frame, Framing};

/// One vendor's interface.
pub(crate) trait Vendor: Send + Sync + 'static {
    /// Where the vendor's own service is.
    const BASE_URL: &'static str;
    /// Whether that service needs a key.
    const NEEDS_KEY: bool;
    /// The path below the base address.
    const PATH: &'static str;
    /// How streams are cut.
    const FRAMING: Framing;

    /// The headers beside the content's.
    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)>;

    /// The request's body.
    fn body(&self, model: &str, request: &ChatRequest, stream: bool) -> Value;

    /// A whole answer.
    fn answer(&self, body: &Value) -> Result<ChatResponse, LlmError>;

    /// A reader for one stream.
    fn decoder(&self) -> Box<dyn Decoder>;
}

/// Reads one stream.
pub(crate) trait Decoder: Send {
    /// The pieces a message holds.
    fn frame(&mut self, frame: &Frame) -> Result<Vec<ChatDelta>, LlmError>;

    /// The last piece, if the stream may end here.
    fn end(&mut self) -> Option<ChatDelta>;
}

fn bearer(key: Option<&Secret>) -> Vec<(&'static str, String)> {
    let header = |key: &Secret| ("authorization", format!("Bearer {}", key.expose()));
    let json = ("content-type", "application/json".to_owned());
    key.map(header).into_iter().chain([json]).collect()
}

fn parse(data: &str) -> Result<Value, LlmError> {
    serde_json::from_str(data).map_err(|error| LlmError::Malformed {
        detail: format!("a message of the stream is not JSON: {error}"),
    })
}

fn missing(what: &str) -> LlmError {
    LlmError::Malformed {
        detail: format!("the response has no `{what}`"),
    }
}

/// Text at a pointer; none when it is absent, null or something else.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// A number of tokens at a pointer; a number that cannot be one counts as 0.
fn tokens(value: &Value, pointer: &str) -> Option<u64> {
    let count = value.pointer(pointer).filter(|it| !it.is_null())?;
    let tokens = count.as_u64();
    if tokens.is_none() {
        tracing::warn!(%pointer, "a model's service reported a number of tokens that is none");
    }
    Some(tokens.unwrap_or(0))
}
