//! A published exchange: what is asked, what must go over the wire, what comes back, what it means.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use llmteam_orchestration::{
    call::Sent,
    llm::{ChatRequest, ChatResponse, LlmError, Message, Tool},
};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixture {
    /// Where the vendor publishes the shapes.
    pub(crate) source: String,
    /// When they were transcribed.
    pub(crate) date: String,
    #[serde(default, rename = "note")]
    _note: String,
    pub(crate) kind: String,
    pub(crate) model: String,
    pub(crate) ask: Ask,
    pub(crate) request: Request,
    pub(crate) response: Response,
    pub(crate) answer: Option<ChatResponse>,
    pub(crate) error: Option<Fault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    messages: Vec<Message>,
    #[serde(default)]
    tools: Vec<Tool>,
    response_schema: Option<Value>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    #[serde(default)]
    extra: Map<String, Value>,
    timeout_ms: Option<u64>,
}

impl Ask {
    pub(crate) fn request(&self) -> ChatRequest {
        ChatRequest {
            tools: self.tools.clone(),
            response_schema: self.response_schema.clone(),
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            extra: self.extra.clone(),
            timeout: self.timeout_ms.map(Duration::from_millis),
            ..ChatRequest::new(self.messages.clone())
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
    /// Server-sent events.
    events: Option<Vec<Event>>,
    /// One JSON value per line.
    lines: Option<Vec<Value>>,
    /// Bytes that are missing at the end.
    #[serde(default)]
    drop_last: usize,
    #[serde(default)]
    pub(crate) then: Then,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    event: Option<String>,
    data: Value,
}

/// What follows the body.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    /// The end HTTP promises.
    #[default]
    End,
    /// A broken connection.
    Cut,
    /// Nothing, not even a status.
    Hang,
}

impl Response {
    pub(crate) fn is_stream(&self) -> bool {
        self.events.is_some() || self.lines.is_some()
    }

    pub(crate) fn content_type(&self) -> &'static str {
        match (&self.events, &self.lines) {
            (Some(_), _) => "text/event-stream",
            (_, Some(_)) => "application/x-ndjson",
            _ => "application/json",
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = self.text.clone().unwrap_or_default();
        if let Some(json) = &self.json {
            body.push_str(&json.to_string());
        }
        for event in self.events.iter().flatten() {
            if let Some(name) = &event.event {
                body.push_str(&format!("event: {name}\n"));
            }
            match &event.data {
                Value::String(text) => body.push_str(&format!("data: {text}\n\n")),
                json => body.push_str(&format!("data: {json}\n\n")),
            }
        }
        for line in self.lines.iter().flatten() {
            body.push_str(&format!("{line}\n"));
        }
        let mut body = body.into_bytes();
        body.truncate(body.len() - self.drop_last);
        body
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    code: String,
    recoverable: bool,
    sent: String,
    retry_after_ms: Option<u64>,
    retry_after_at_least_ms: Option<u64>,
    /// Part of the error's text.
    message: Option<String>,
    /// What a stream gave before it failed.
    pub(crate) text_before: Option<String>,
}

impl Fault {
    #[track_caller]
    pub(crate) fn check(&self, error: &LlmError) {
        assert_eq!(error.code(), self.code, "{error}");
        assert_eq!(error.is_recoverable(), self.recoverable, "{error}");
        let sent = match error.sent() {
            Sent::No => "no",
            Sent::Maybe => "maybe",
            Sent::Yes => "yes",
        };
        assert_eq!(sent, self.sent, "{error}");
        let wait = error.retry_after();
        if let Some(at_least) = self.retry_after_at_least_ms {
            assert!(wait >= Some(Duration::from_millis(at_least)), "{wait:?}");
        } else {
            assert_eq!(wait, self.retry_after_ms.map(Duration::from_millis));
        }
        if let Some(part) = &self.message {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn load(name: &str) -> Fixture {
    let path = directory().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}
