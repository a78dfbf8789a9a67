//! OpenAI's chat completions, and the many services that speak the same.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/chat>.

use llmteam_orchestration::llm::{
    ChatDelta, ChatRequest, ChatResponse, FinishReason, LlmError, Message, Tool, ToolCall, Usage,
};
use llmteam_security::secret::Secret;
use serde_json::{Map, Value, json};

use super::{Decoder, Vendor, bearer, missing, parse, text, tokens};
use crate::{
    fault::of_error_object,
    framing::{Frame, Framing},
};

/// An OpenAI-compatible service.
pub(crate) struct OpenAi {
    /// OpenAI's own service differs from those that speak like it, see [`OpenAi::body`].
    original: bool,
}

impl OpenAi {
    pub(crate) fn at(base_url: &str) -> Self {
        Self {
            original: base_url == Self::BASE_URL,
        }
    }
}

impl Vendor for OpenAi {
    const BASE_URL: &'static str = "https://api.openai.com/v1";
    const NEEDS_KEY: bool = true;
    const PATH: &'static str = "chat/completions";
    const FRAMING: Framing = Framing::Events;

    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)> {
        bearer(key)
    }

    /// OpenAI itself has replaced `max_tokens` by `max_completion_tokens`, which the others do not all
    /// know, and its reasoning models refuse a temperature.
    fn body(&self, model: &str, request: &ChatRequest, stream: bool) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(model));
        let messages = request.messages.iter().map(message);
        body.insert("messages".into(), messages.collect());
        if let Some(temperature) = request.temperature
            && !(self.original && reasons(model))
        {
            body.insert("temperature".into(), json!(temperature));
        }
        if let Some(max_tokens) = request.max_tokens {
            let name = match self.original {
                true => "max_completion_tokens",
                false => "max_tokens",
            };
            body.insert(name.into(), json!(max_tokens));
        }
        if !request.tools.is_empty() {
            body.insert("tools".into(), request.tools.iter().map(tool).collect());
        }
        if let Some(schema) = &request.response_schema {
            body.insert("response_format".into(), response_format(schema));
        }
        body.insert("stream".into(), json!(stream));
        if stream {
            let options = json!({"include_usage": true});
            body.insert("stream_options".into(), options);
        }
        Value::Object(body)
    }

    fn answer(&self, body: &Value) -> Result<ChatResponse, LlmError> {
        if body.get("error").is_some_and(|it| !it.is_null()) {
            return Err(of_error_object(body));
        }
        let choice = body
            .pointer("/choices/0")
            .ok_or_else(|| missing("choices[0]"))?;
        let message = choice
            .get("message")
            .ok_or_else(|| missing("choices[0].message"))?;
        let refusal = text(message, "/refusal");
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let calls = calls.into_iter().flatten().enumerate();
        let tool_calls: Vec<_> = calls.map(|(index, it)| tool_call(index, it)).collect();
        let finish_reason = match text(choice, "/finish_reason") {
            _ if refusal.is_some() => FinishReason::ContentFilter,
            Some(reason) => finish(reason),
            None => FinishReason::Stop,
        };
        Ok(ChatResponse {
            text: refusal.map_or_else(|| content(&message["content"]), str::to_owned),
            tool_calls,
            finish_reason,
            usage: usage(body).unwrap_or_default(),
            model: text(body, "/model").unwrap_or_default().to_owned(),
        })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Stream::default())
    }
}

/// Whether OpenAI's model is one of its reasoning models.
fn reasons(model: &str) -> bool {
    let mut name = model.bytes();
    let o_series = name.next() == Some(b'o') && name.next().is_some_and(|it| it.is_ascii_digit());
    o_series || (model.starts_with("gpt-5") && !model.contains("chat"))
}

fn message(message: &Message) -> Value {
    match message {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text } => json!({"role": "user", "content": text}),
        Message::Assistant { text, tool_calls } if tool_calls.is_empty() => {
            json!({"role": "assistant", "content": text})
        }
        Message::Assistant { text, tool_calls } => {
            let content = Some(text).filter(|it| !it.is_empty());
            let calls: Vec<_> = tool_calls.iter().map(asked).collect();
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
        Message::Tool { call_id, text, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": text})
        }
    }
}

fn asked(call: &ToolCall) -> Value {
    let arguments = match &call.arguments {
        Value::String(raw) => raw.clone(),
        parsed => parsed.to_string(),
    };
    let function = json!({"name": call.name, "arguments": arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

pub(super) fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    })
}

fn response_format(schema: &Value) -> Value {
    match schema {
        Value::Bool(_) => json!({"type": "json_object"}),
        schema => json!({
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": true},
        }),
    }
}

/// Words, or a list of parts of which some are words.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|it| text(it, "/text")).collect(),
        _ => String::new(),
    }
}

fn tool_call(index: usize, call: &Value) -> ToolCall {
    let id = text(call, "/id").map(str::to_owned);
    let arguments = text(call, "/function/arguments").unwrap_or_default();
    ToolCall {
        id: id.unwrap_or_else(|| format!("call_{index}")),
        name: text(call, "/function/name").unwrap_or_default().to_owned(),
        arguments: ToolCall::parse_arguments(arguments),
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

fn usage(body: &Value) -> Option<Usage> {
    let usage = body.get("usage").filter(|it| !it.is_null())?;
    Some(Usage {
        input: tokens(usage, "/prompt_tokens").unwrap_or(0),
        output: tokens(usage, "/completion_tokens").unwrap_or(0),
        cached: tokens(usage, "/prompt_tokens_details/cached_tokens").unwrap_or(0),
    })
}

/// The answer's end comes in three messages: the reason, the usage, and `[DONE]`.
#[derive(Default)]
struct Stream {
    model: String,
    finish_reason: Option<FinishReason>,
    refused: bool,
    usage: Usage,
}

impl Stream {
    fn finished(&mut self) -> ChatDelta {
        let reason = self.finish_reason.take();
        let reason = reason.filter(|_| !self.refused);
        let natural = match self.refused {
            true => FinishReason::ContentFilter,
            false => FinishReason::Stop,
        };
        ChatDelta::Finished {
            finish_reason: reason.unwrap_or(natural),
            usage: self.usage,
            model: std::mem::take(&mut self.model),
        }
    }
}

impl Decoder for Stream {
    fn frame(&mut self, frame: &Frame) -> Result<Vec<ChatDelta>, LlmError> {
        if frame.data == "[DONE]" {
            return Ok(vec![self.finished()]);
        }
        let chunk = parse(&frame.data)?;
        if chunk.get("error").is_some_and(|it| !it.is_null()) {
            return Err(of_error_object(&chunk));
        }
        if let Some(model) = text(&chunk, "/model").filter(|it| !it.is_empty()) {
            model.clone_into(&mut self.model);
        }
        if let Some(usage) = usage(&chunk) {
            self.usage = usage;
        }
        let Some(choice) = chunk.pointer("/choices/0") else {
            return Ok(Vec::new());
        };
        if let Some(reason) = text(choice, "/finish_reason") {
            self.finish_reason = Some(finish(reason));
        }
        let mut pieces = Vec::new();
        let words = content(choice.pointer("/delta/content").unwrap_or(&Value::Null));
        if !words.is_empty() {
            pieces.push(ChatDelta::Text(words));
        }
        if let Some(refusal) = text(choice, "/delta/refusal") {
            self.refused = true;
            pieces.push(ChatDelta::Text(refusal.to_owned()));
        }
        let calls = choice
            .pointer("/delta/tool_calls")
            .and_then(Value::as_array);
        for (position, call) in (0..).zip(calls.into_iter().flatten()) {
            let index = call
                .get("index")
                .and_then(Value::as_u64)
                .unwrap_or(position);
            let owned = |pointer| {
                text(call, pointer)
                    .filter(|it| !it.is_empty())
                    .map(str::to_owned)
            };
            pieces.push(ChatDelta::ToolCall {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                id: owned("/id"),
                name: owned("/function/name"),
                arguments: owned("/function/arguments").unwrap_or_default(),
            });
        }
        Ok(pieces)
    }

    fn end(&mut self) -> Option<ChatDelta> {
        self.finish_reason.is_some().then(|| self.finished())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_itself_is_asked_in_its_newer_words() {
        let request = ChatRequest {
            temperature: Some(0.7),
            max_tokens: Some(9),
            ..ChatRequest::new([Message::user("hi")])
        };
        let body = |base: &str, model: &str| OpenAi::at(base).body(model, &request, false);
        let own = body(OpenAi::BASE_URL, "gpt-4.1");
        assert_eq!(
            (&own["max_completion_tokens"], &own["temperature"]),
            (&json!(9), &json!(0.7))
        );
        for model in ["o1", "o3-mini", "gpt-5", "gpt-5-mini"] {
            assert_eq!(
                body(OpenAi::BASE_URL, model).get("temperature"),
                None,
                "{model}"
            );
            let other = body("http://localhost:8000/v1", model);
            assert_eq!(
                (&other["max_tokens"], &other["temperature"]),
                (&json!(9), &json!(0.7))
            );
        }
        assert!(
            body(OpenAi::BASE_URL, "gpt-5-chat-latest")
                .get("temperature")
                .is_some()
        );
    }

    #[test]
    fn usage_that_cannot_be_is_zero() {
        let body = json!({
            "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": -5, "completion_tokens": 1e30, "prompt_tokens_details": null},
        });
        let answer = OpenAi { original: true }.answer(&body).unwrap();
        assert_eq!(answer.usage, Usage::default());
    }
}
