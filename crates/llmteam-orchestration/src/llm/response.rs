//! What a model answers, whole or piece by piece.
//!
//! Invariant: a streamed answer collected is the answer asked for whole.

use std::collections::BTreeMap;

use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use super::{
    error::LlmError,
    message::{Message, ToolCall},
    usage::Usage,
};

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// The words; empty when the model only asked for tools.
    pub text: String,
    /// The tools it asked for.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// Why it stopped.
    pub finish_reason: FinishReason,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// The model that answered, as the vendor names it.
    pub model: String,
}

impl ChatResponse {
    /// The answer as a turn of the conversation.
    pub fn message(&self) -> Message {
        Message::Assistant {
            text: self.text.clone(),
            tool_calls: self.tool_calls.clone(),
        }
    }
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It reached the token limit: the answer is cut.
    Length,
    /// It waits for tools.
    ToolCalls,
    /// The vendor's filter, or the model itself, refused.
    ContentFilter,
    /// Something else, in the vendor's word.
    Other(String),
}

/// A piece of a streamed answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatDelta {
    /// More words.
    Text(String),
    /// More of a tool call.
    ToolCall {
        /// Which call; all pieces of one call share it.
        index: u32,
        /// The call's id, in its first piece.
        id: Option<String>,
        /// The tool's name, in its first piece.
        name: Option<String>,
        /// More of the arguments' JSON text.
        arguments: String,
    },
    /// The end of a whole answer; the last piece.
    Finished {
        /// Why the model stopped.
        finish_reason: FinishReason,
        /// What the answer cost.
        usage: Usage,
        /// The model that answered.
        model: String,
    },
}

/// Puts a streamed answer together; [`LlmError::Interrupted`] when it has no end.
pub async fn collect(
    mut stream: impl Stream<Item = Result<ChatDelta, LlmError>> + Unpin,
) -> Result<ChatResponse, LlmError> {
    let mut text = String::new();
    let mut calls = BTreeMap::<u32, PartialCall>::new();
    while let Some(delta) = stream.next().await {
        match delta? {
            ChatDelta::Text(more) => text.push_str(&more),
            ChatDelta::ToolCall {
                index,
                id,
                name,
                arguments,
            } => {
                let call = calls.entry(index).or_default();
                call.id = call.id.take().or(id);
                call.name = call.name.take().or(name);
                call.arguments.push_str(&arguments);
            }
            ChatDelta::Finished {
                finish_reason,
                usage,
                model,
            } => {
                let tool_calls = calls
                    .into_iter()
                    .map(|(index, call)| call.whole(index))
                    .collect();
                return Ok(ChatResponse {
                    text,
                    tool_calls,
                    finish_reason,
                    usage,
                    model,
                });
            }
        }
    }
    Err(LlmError::Interrupted {
        detail: "the stream ended before the answer did".to_owned(),
    })
}

#[derive(Default)]
struct PartialCall {
    id: Option<String>,
    name: Option<String>,
    arguments: String,
}

impl PartialCall {
    fn whole(self, index: u32) -> ToolCall {
        ToolCall {
            id: self.id.unwrap_or_else(|| format!("call_{index}")),
            name: self.name.unwrap_or_default(),
            arguments: ToolCall::parse_arguments(&self.arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use serde_json::json;

    use super::*;

    fn piece(index: u32, id: Option<&str>, arguments: &str) -> Result<ChatDelta, LlmError> {
        Ok(ChatDelta::ToolCall {
            index,
            id: id.map(Into::into),
            name: id.map(|_| "look".into()),
            arguments: arguments.into(),
        })
    }

    #[tokio::test]
    async fn interleaved_tool_calls_are_put_together() {
        let deltas = vec![
            Ok(ChatDelta::Text("wa".into())),
            piece(1, Some("b"), r#"{"x"#),
            piece(0, Some("a"), ""),
            Ok(ChatDelta::Text("it".into())),
            piece(1, None, r#"":2}"#),
            Ok(ChatDelta::Finished {
                finish_reason: FinishReason::ToolCalls,
                usage: Usage::default(),
                model: "m".into(),
            }),
        ];
        let answer = collect(stream::iter(deltas)).await.unwrap();
        assert_eq!(answer.text, "wait");
        let calls: Vec<_> = answer
            .tool_calls
            .iter()
            .map(|it| (it.id.as_str(), &it.arguments))
            .collect();
        assert_eq!(calls, [("a", &json!({})), ("b", &json!({"x": 2}))]);
    }

    #[tokio::test]
    async fn a_stream_without_an_end_is_no_answer() {
        let cut = stream::iter(vec![Ok(ChatDelta::Text("half".into()))]);
        assert!(matches!(
            collect(cut).await,
            Err(LlmError::Interrupted { .. })
        ));
    }
}
