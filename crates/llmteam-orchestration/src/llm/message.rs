//! What is said in a conversation, and the tools a model may ask for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Instructions of the operator. Sent ahead of everything else where a vendor knows only one.
    System {
        /// The instructions.
        text: String,
    },
    /// What the user says.
    User {
        /// The words.
        text: String,
    },
    /// What the model said.
    Assistant {
        /// The words; empty when it only asked for tools.
        #[serde(default)]
        text: String,
        /// The tools it asked for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What a tool gave back.
    Tool {
        /// The id of the [`ToolCall`] it answers.
        call_id: String,
        /// The tool's name.
        name: String,
        /// The result as text, JSON for structured ones.
        text: String,
    },
}

impl Message {
    /// Instructions.
    pub fn system(text: impl Into<String>) -> Self {
        Self::System { text: text.into() }
    }

    /// A user's words.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into() }
    }

    /// A model's words.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant {
            text: text.into(),
            tool_calls: Vec::new(),
        }
    }

    /// The result of a tool call.
    pub fn tool_result(call: &ToolCall, text: impl Into<String>) -> Self {
        Self::Tool {
            call_id: call.id.clone(),
            name: call.name.clone(),
            text: text.into(),
        }
    }

    /// The words of any turn.
    pub fn text(&self) -> &str {
        match self {
            Self::System { text }
            | Self::User { text }
            | Self::Assistant { text, .. }
            | Self::Tool { text, .. } => text,
        }
    }
}

/// A model's wish to have a tool run. It is data: whoever runs tools checks name and arguments first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The vendor's id of the call, or one made from its position.
    pub id: String,
    /// The tool's name, as the model wrote it.
    pub name: String,
    /// The arguments; a string holding the raw text when the model wrote what is not JSON.
    pub arguments: Value,
}

impl ToolCall {
    /// Reads arguments as a vendor that sends them as text does: no text is an empty object.
    pub fn parse_arguments(text: &str) -> Value {
        if text.trim().is_empty() {
            return Value::Object(serde_json::Map::new());
        }
        serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
    }
}

/// A tool that is offered to a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// When to use it, and for what.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments, an object schema.
    pub parameters: Value,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conversation_survives_json() {
        let call = ToolCall {
            id: "c1".into(),
            name: "search".into(),
            arguments: json!({"q": "rust"}),
        };
        let turns = vec![
            Message::system("be short"),
            Message::user("find it"),
            Message::Assistant {
                text: String::new(),
                tool_calls: vec![call.clone()],
            },
            Message::tool_result(&call, "found"),
        ];
        let text = serde_json::to_string(&turns).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Message>>(&text).unwrap(), turns);
    }

    #[test]
    fn arguments_that_are_not_json_stay_as_text() {
        assert_eq!(ToolCall::parse_arguments(r#"{"a":1}"#), json!({"a": 1}));
        assert_eq!(ToolCall::parse_arguments(" "), json!({}));
        assert_eq!(ToolCall::parse_arguments(r#"{"a":"#), json!(r#"{"a":"#));
    }
}
