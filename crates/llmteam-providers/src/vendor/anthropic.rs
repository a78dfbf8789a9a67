//! Anthropic's messages.
//!
//! Reference: <https://docs.claude.com/en/api/messages>.

use llmteam_orchestration::llm::{
    ChatDelta, ChatRequest, ChatResponse, FinishReason, LlmError, Message, ToolCall, Usage,
};
use llmteam_security::secret::Secret;
use serde_json::{Map, Value, json};

use super::{Decoder, Vendor, missing, parse, text, tokens};
use crate::{
    fault::of_error_object,
    framing::{Frame, Framing},
};

/// The version of the interface that is spoken here.
const VERSION: &str = "2023-06-01";
/// The longest answer when the request does not say; the interface has no default of its own.
const MAX_TOKENS: u32 = 4096;

/// Anthropic's service.
pub(crate) struct Anthropic;

impl Vendor for Anthropic {
    const BASE_URL: &'static str = "https://api.anthropic.com";
    const NEEDS_KEY: bool = true;
    const PATH: &'static str = "v1/messages";
    const FRAMING: Framing = Framing::Events;

    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)> {
        let key = key.map(|it| ("x-api-key", it.expose().to_owned()));
        let version = ("anthropic-version", VERSION.to_owned());
        let json = ("content-type", "application/json".to_owned());
        key.into_iter().chain([version, json]).collect()
    }

    fn body(&self, model: &str, request: &ChatRequest, stream: bool) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(model));
        let max_tokens = request.max_tokens.unwrap_or(MAX_TOKENS);
        body.insert("max_tokens".into(), json!(max_tokens));
        let system = request.messages.iter().filter_map(|it| match it {
            Message::System { text } => Some(text.as_str()),
            _ => None,
        });
        let system: Vec<_> = system.collect();
        if !system.is_empty() {
            body.insert("system".into(), json!(system.join("\n\n")));
        }
        body.insert("messages".into(), Value::Array(turns(&request.messages)));
        if let Some(temperature) = request.temperature {
            body.insert("temperature".into(), json!(temperature));
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|it| {
                json!({"name": it.name, "description": it.description, "input_schema": it.parameters})
            });
            body.insert("tools".into(), tools.collect());
        }
        // There is no mode for "any JSON": a schema of `true` asks for nothing here.
        if let Some(schema) = request
            .response_schema
            .as_ref()
            .filter(|it| !it.is_boolean())
        {
            let format = json!({"type": "json_schema", "schema": schema});
            body.insert("output_config".into(), json!({"format": format}));
        }
        body.insert("stream".into(), json!(stream));
        Value::Object(body)
    }

    fn answer(&self, body: &Value) -> Result<ChatResponse, LlmError> {
        if body["type"] == "error" {
            return Err(of_error_object(body));
        }
        let blocks = body.get("content").and_then(Value::as_array);
        let blocks = blocks.ok_or_else(|| missing("content"))?;
        let of_type = |kind: &'static str| blocks.iter().filter(move |it| it["type"] == kind);
        let tool_calls = of_type("tool_use").map(|it| ToolCall {
            id: text(it, "/id").unwrap_or_default().to_owned(),
            name: text(it, "/name").unwrap_or_default().to_owned(),
            arguments: it["input"].clone(),
        });
        Ok(ChatResponse {
            text: of_type("text").filter_map(|it| text(it, "/text")).collect(),
            tool_calls: tool_calls.collect(),
            finish_reason: text(body, "/stop_reason").map_or(FinishReason::Stop, finish),
            usage: Counts::default().and(&body["usage"]).usage(),
            model: text(body, "/model").unwrap_or_default().to_owned(),
        })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Stream::default())
    }
}

/// The conversation without its instructions. Turns of one side that follow each other are one turn:
/// the results of all tools a model asked for must come together.
fn turns(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, blocks) = match message {
            Message::System { .. } => continue,
            Message::User { text } => ("user", vec![words(text)]),
            Message::Assistant { text, tool_calls } => {
                let said = Some(words(text)).filter(|_| !text.is_empty());
                (
                    "assistant",
                    said.into_iter()
                        .chain(tool_calls.iter().map(asked))
                        .collect(),
                )
            }
            Message::Tool { call_id, text, .. } => {
                let result =
                    json!({"type": "tool_result", "tool_use_id": call_id, "content": text});
                ("user", vec![result])
            }
        };
        match turns.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let turn = |(role, content)| json!({"role": role, "content": content});
    turns.into_iter().map(turn).collect()
}

fn words(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn asked(call: &ToolCall) -> Value {
    // The interface takes objects only; what a model wrote wrong goes back as it was, wrapped.
    let input = match &call.arguments {
        Value::Object(_) => call.arguments.clone(),
        other => json!({"arguments": other}),
    };
    json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Token counts as the vendor keeps them: cached input beside the rest of the input, not within it.
#[derive(Default)]
struct Counts {
    fresh: u64,
    written: u64,
    read: u64,
    output: u64,
}

impl Counts {
    /// These counts with those that `usage` brings; each is a total, not a difference.
    fn and(self, usage: &Value) -> Self {
        Self {
            fresh: tokens(usage, "/input_tokens").unwrap_or(self.fresh),
            written: tokens(usage, "/cache_creation_input_tokens").unwrap_or(self.written),
            read: tokens(usage, "/cache_read_input_tokens").unwrap_or(self.read),
            output: tokens(usage, "/output_tokens").unwrap_or(self.output),
        }
    }

    fn usage(&self) -> Usage {
        let input = self.fresh.saturating_add(self.written);
        Usage {
            input: input.saturating_add(self.read),
            output: self.output,
            cached: self.read,
        }
    }
}

#[derive(Default)]
struct Stream {
    model: String,
    stop_reason: Option<FinishReason>,
    counts: Counts,
}

impl Stream {
    fn count(&mut self, usage: &Value) {
        self.counts = std::mem::take(&mut self.counts).and(usage);
    }

    fn finished(&mut self) -> ChatDelta {
        ChatDelta::Finished {
            finish_reason: self.stop_reason.take().unwrap_or(FinishReason::Stop),
            usage: self.counts.usage(),
            model: std::mem::take(&mut self.model),
        }
    }
}

impl Decoder for Stream {
    fn frame(&mut self, frame: &Frame) -> Result<Vec<ChatDelta>, LlmError> {
        let event = parse(&frame.data)?;
        let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let piece = match text(&event, "/type").unwrap_or_default() {
            "message_start" => {
                let message = &event["message"];
                self.model = text(message, "/model").unwrap_or_default().to_owned();
                self.count(&message["usage"]);
                None
            }
            "content_block_start" => start(index, &event["content_block"]),
            "content_block_delta" => delta(index, &event["delta"]),
            "message_delta" => {
                self.stop_reason = text(&event, "/delta/stop_reason").map(finish);
                self.count(&event["usage"]);
                None
            }
            "message_stop" => Some(self.finished()),
            "error" => return Err(of_error_object(&event)),
            // `ping`, `content_block_stop`, and what may be added: new events are to be passed over.
            _ => None,
        };
        Ok(piece.into_iter().collect())
    }

    fn end(&mut self) -> Option<ChatDelta> {
        self.stop_reason.is_some().then(|| self.finished())
    }
}

fn start(index: u32, block: &Value) -> Option<ChatDelta> {
    match text(block, "/type")? {
        "text" => said(text(block, "/text")?),
        "tool_use" => Some(ChatDelta::ToolCall {
            index,
            id: text(block, "/id").map(str::to_owned),
            name: text(block, "/name").map(str::to_owned),
            arguments: String::new(),
        }),
        _ => None,
    }
}

fn delta(index: u32, delta: &Value) -> Option<ChatDelta> {
    match text(delta, "/type")? {
        "text_delta" => said(text(delta, "/text")?),
        "input_json_delta" => Some(ChatDelta::ToolCall {
            index,
            id: None,
            name: None,
            arguments: text(delta, "/partial_json")?.to_owned(),
        }),
        _ => None,
    }
}

fn said(text: &str) -> Option<ChatDelta> {
    (!text.is_empty()).then(|| ChatDelta::Text(text.to_owned()))
}
