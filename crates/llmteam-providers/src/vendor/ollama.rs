//! Ollama's chat.
//!
//! Reference: <https://github.com/ollama/ollama/blob/main/docs/api.md>.

use llmteam_orchestration::llm::{
    ChatDelta, ChatRequest, ChatResponse, FinishReason, LlmError, Message, ToolCall, Usage,
};
use llmteam_security::secret::Secret;
use serde_json::{Map, Value, json};

use super::{Decoder, Vendor, bearer, missing, openai, parse, text, tokens};
use crate::{
    fault::of_error_object,
    framing::{Frame, Framing},
};

/// An Ollama server.
pub(crate) struct Ollama;

impl Vendor for Ollama {
    const BASE_URL: &'static str = "http://localhost:11434";
    const NEEDS_KEY: bool = false;
    const PATH: &'static str = "api/chat";
    const FRAMING: Framing = Framing::Lines;

    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)> {
        bearer(key)
    }

    fn body(&self, model: &str, request: &ChatRequest, stream: bool) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(model));
        let messages = request.messages.iter().map(message);
        body.insert("messages".into(), messages.collect());
        let mut options = Map::new();
        if let Some(temperature) = request.temperature {
            options.insert("temperature".into(), json!(temperature));
        }
        if let Some(max_tokens) = request.max_tokens {
            options.insert("num_predict".into(), json!(max_tokens));
        }
        if !options.is_empty() {
            body.insert("options".into(), Value::Object(options));
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(openai::tool);
            body.insert("tools".into(), tools.collect());
        }
        if let Some(schema) = &request.response_schema {
            let format = match schema {
                Value::Bool(_) => json!("json"),
                schema => schema.clone(),
            };
            body.insert("format".into(), format);
        }
        body.insert("stream".into(), json!(stream));
        Value::Object(body)
    }

    fn answer(&self, body: &Value) -> Result<ChatResponse, LlmError> {
        if body.get("error").is_some() {
            return Err(of_error_object(body));
        }
        let message = body.get("message").ok_or_else(|| missing("message"))?;
        let tool_calls: Vec<_> = (0..)
            .zip(calls(message))
            .map(|(n, it)| tool_call(n, it))
            .collect();
        Ok(ChatResponse {
            text: text(message, "/content").unwrap_or_default().to_owned(),
            finish_reason: finish(body, !tool_calls.is_empty()),
            tool_calls,
            usage: usage(body),
            model: text(body, "/model").unwrap_or_default().to_owned(),
        })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Stream::default())
    }
}

fn message(message: &Message) -> Value {
    match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text } => json!({"role": "user", "content": text}),
        Message::Assistant { text, tool_calls } if tool_calls.is_empty() => {
            json!({"role": "assistant", "content": text})
        }
        Message::Assistant { text, tool_calls } => {
            let call =
                |it: &ToolCall| json!({"function": {"name": it.name, "arguments": it.arguments}});
            let calls: Vec<_> = tool_calls.iter().map(call).collect();
            json!({"role": "assistant", "content": text, "tool_calls": calls})
        }
        Message::Tool { name, text, .. } => {
            json!({"role": "tool", "tool_name": name, "content": text})
        }
    }
}

fn calls(message: &Value) -> impl Iterator<Item = &Value> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    calls.into_iter().flatten()
}

/// Calls have no ids here; their number among the calls of the answer serves as one.
fn tool_call(n: u32, call: &Value) -> ToolCall {
    ToolCall {
        id: format!("call_{n}"),
        name: text(call, "/function/name").unwrap_or_default().to_owned(),
        arguments: call
            .pointer("/function/arguments")
            .cloned()
            .unwrap_or_else(|| json!({})),
    }
}

/// The service says `stop` also when it waits for tools.
fn finish(body: &Value, calls: bool) -> FinishReason {
    match text(body, "/done_reason") {
        None | Some("stop") if calls => FinishReason::ToolCalls,
        None | Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some(other) => FinishReason::Other(other.to_owned()),
    }
}

fn usage(body: &Value) -> Usage {
    Usage {
        input: tokens(body, "/prompt_eval_count").unwrap_or(0),
        output: tokens(body, "/eval_count").unwrap_or(0),
        cached: 0,
    }
}

#[derive(Default)]
struct Stream {
    calls: u32,
}

impl Decoder for Stream {
    fn frame(&mut self, frame: &Frame) -> Result<Vec<ChatDelta>, LlmError> {
        let line = parse(&frame.data)?;
        if line.get("error").is_some() {
            return Err(of_error_object(&line));
        }
        let mut pieces = Vec::new();
        let message = &line["message"];
        if let Some(words) = text(message, "/content").filter(|it| !it.is_empty()) {
            pieces.push(ChatDelta::Text(words.to_owned()));
        }
        for call in calls(message) {
            let call = tool_call(self.calls, call);
            pieces.push(ChatDelta::ToolCall {
                index: self.calls,
                id: Some(call.id),
                name: Some(call.name),
                arguments: call.arguments.to_string(),
            });
            self.calls = self.calls.saturating_add(1);
        }
        if line["done"] == true {
            pieces.push(ChatDelta::Finished {
                finish_reason: finish(&line, self.calls > 0),
                usage: usage(&line),
                model: text(&line, "/model").unwrap_or_default().to_owned(),
            });
        }
        Ok(pieces)
    }

    fn end(&mut self) -> Option<ChatDelta> {
        None
    }
}
