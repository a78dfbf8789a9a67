//! A model that answers from a script: for examples, tests and runs without a network.
//!
//! Invariant: an answer depends on the script and the request alone (see [`crate::script`]).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use llmteam_security::clock::{Clock, Wake};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::{
    ChatDelta, ChatRequest, ChatResponse, FinishReason, LlmError, LlmProvider, Message, ToolCall,
    Usage,
};
use crate::script::Replies;

/// Answers from a script.
///
/// ```json
/// {
///   "model": "scripted",
///   "steps": {
///     "writer": ["first draft", {"text": "second draft", "delay_ms": 200}],
///     "critic": [[{"error": "timeout"}, {"json": {"approved": true}}]]
///   },
///   "prompts": [{"contains": "summarise", "replies": "in short: yes"}],
///   "default": "ok"
/// }
/// ```
///
/// A call is answered by the entry of `steps` named like its agent, else like its step, else by the
/// first of `prompts` whose text occurs in the last user message, else by `default`. Each list holds one
/// reply per activation and the last repeats; an inner list holds one per attempt. A call without a
/// caller gets the reply of the conversation's turn.
#[derive(Clone, Debug)]
pub struct ScriptedProvider {
    script: Arc<Script>,
    clock: Arc<dyn Clock>,
}

/// A script that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the script of a scripted model is not valid: {0}")]
pub struct ScriptError(#[from] serde_json::Error);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(default = "default_model")]
    model: String,
    #[serde(default)]
    steps: BTreeMap<String, Replies<Reply>>,
    #[serde(default)]
    prompts: Vec<PromptRule>,
    default: Option<Replies<Reply>>,
}

fn default_model() -> String {
    "scripted".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptRule {
    contains: String,
    replies: Replies<Reply>,
}

/// One reply; in JSON its text alone, or an object.
#[derive(Clone, Debug, PartialEq)]
struct Reply {
    delay: Duration,
    answer: Result<Answer, LlmError>,
}

#[derive(Clone, Debug, PartialEq)]
struct Answer {
    text: String,
    tool_calls: Vec<ToolCall>,
    finish_reason: FinishReason,
    usage: Usage,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyFields {
    text: Option<String>,
    json: Option<Value>,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    finish_reason: Option<FinishReason>,
    #[serde(default)]
    usage: Usage,
    #[serde(default)]
    delay_ms: u64,
    error: Option<ErrorKind>,
    retry_after_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ErrorKind {
    Connect,
    RateLimited,
    Server,
    Timeout,
    Interrupted,
    Malformed,
    Auth,
    InvalidRequest,
}

impl ErrorKind {
    fn error(self, delay: Duration, retry_after: Option<Duration>) -> LlmError {
        let detail = "as the script says".to_owned();
        match self {
            Self::Connect => LlmError::Connect { detail },
            Self::RateLimited => LlmError::RateLimited { retry_after },
            Self::Server => LlmError::Server {
                status: 503,
                retry_after,
                detail,
            },
            Self::Timeout => LlmError::Timeout { after: delay },
            Self::Interrupted => LlmError::Interrupted { detail },
            Self::Malformed => LlmError::Malformed { detail },
            Self::Auth => LlmError::Auth { status: 401 },
            Self::InvalidRequest => LlmError::InvalidRequest { detail },
        }
    }
}

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = match Value::deserialize(deserializer)? {
            Value::String(text) => return Ok(Self::text(text)),
            object => ReplyFields::deserialize(object).map_err(de::Error::custom)?,
        };
        let delay = Duration::from_millis(fields.delay_ms);
        let answer = match (fields.text, fields.json, fields.error) {
            (None, None, Some(kind)) if fields.tool_calls.is_empty() => {
                Err(kind.error(delay, fields.retry_after_ms.map(Duration::from_millis)))
            }
            (text, json, None) if fields.retry_after_ms.is_none() => {
                let text = match (text, json) {
                    (Some(text), None) => text,
                    (None, Some(json)) => json.to_string(),
                    (None, None) if !fields.tool_calls.is_empty() => String::new(),
                    _ => return Err(de::Error::custom(ONE_OF)),
                };
                let natural = if fields.tool_calls.is_empty() {
                    FinishReason::Stop
                } else {
                    FinishReason::ToolCalls
                };
                Ok(Answer {
                    text,
                    tool_calls: fields.tool_calls,
                    finish_reason: fields.finish_reason.unwrap_or(natural),
                    usage: fields.usage,
                })
            }
            _ => return Err(de::Error::custom(ONE_OF)),
        };
        Ok(Self { delay, answer })
    }
}

const ONE_OF: &str = "a reply is a text, or an object with `text`, `json` or `tool_calls`, \
                      or one with `error` and perhaps `retry_after_ms`";

impl Reply {
    fn text(text: String) -> Self {
        let answer = Answer {
            text,
            tool_calls: Vec::new(),
            finish_reason: FinishReason::Stop,
            usage: Usage::default(),
        };
        Self {
            delay: Duration::ZERO,
            answer: Ok(answer),
        }
    }
}

impl ScriptedProvider {
    /// Reads a script. Delays pass on `clock`.
    pub fn from_json(script: &str, clock: Arc<dyn Clock>) -> Result<Self, ScriptError> {
        let script = Arc::new(serde_json::from_str(script)?);
        Ok(Self { script, clock })
    }

    fn reply(&self, request: &ChatRequest) -> Result<Reply, LlmError> {
        let caller = request.caller.as_ref();
        let names = caller.into_iter().flat_map(|it| {
            let agent = it.agent.as_ref().map(AsRef::as_ref);
            agent.into_iter().chain([it.step.as_str()])
        });
        let replies = names
            .filter_map(|name| self.script.steps.get(name))
            .next()
            .or_else(|| self.by_prompt(request.last_user_text()))
            .or(self.script.default.as_ref());
        let Some(replies) = replies else {
            let who = caller.map_or("this prompt".to_owned(), |it| format!("step `{}`", it.step));
            let detail = format!("the script has no reply for {who}");
            return Err(LlmError::InvalidRequest { detail });
        };
        Ok(replies.pick_for(caller, turn(request)).clone())
    }

    fn by_prompt(&self, prompt: &str) -> Option<&Replies<Reply>> {
        let rule = |it: &&PromptRule| prompt.contains(&it.contains);
        Some(&self.script.prompts.iter().find(rule)?.replies)
    }

    /// Waits as the reply says, but not beyond the request's time.
    async fn wait(&self, delay: Duration, timeout: Option<Duration>) -> Result<(), LlmError> {
        let wait = timeout.map_or(delay, |it| it.min(delay));
        if !wait.is_zero() {
            let until = self.clock.now().saturating_add(wait);
            self.clock.sleep_until(until, Wake::Work).await;
        }
        if wait < delay {
            return Err(LlmError::Timeout { after: wait });
        }
        Ok(())
    }
}

/// Which turn of the model comes next, from 1.
fn turn(request: &ChatRequest) -> u32 {
    let said = |it: &&Message| matches!(it, Message::Assistant { .. });
    let turns = request.messages.iter().filter(said).count();
    u32::try_from(turns).unwrap_or(u32::MAX).saturating_add(1)
}

#[async_trait]
impl LlmProvider for ScriptedProvider {
    async fn chat(&self, request: ChatRequest) -> Result<ChatResponse, LlmError> {
        let reply = self.reply(&request)?;
        self.wait(reply.delay, request.timeout).await?;
        let answer = reply.answer?;
        Ok(ChatResponse {
            text: answer.text,
            tool_calls: answer.tool_calls,
            finish_reason: answer.finish_reason,
            usage: answer.usage,
            model: request.model.unwrap_or_else(|| self.script.model.clone()),
        })
    }

    fn stream(&self, request: ChatRequest) -> BoxStream<'static, Result<ChatDelta, LlmError>> {
        let provider = self.clone();
        let pieces = async move {
            match provider.chat(request).await {
                Ok(answer) => pieces(answer).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        };
        pieces.map(stream::iter).flatten_stream().boxed()
    }
}

/// The answer word by word.
fn pieces(answer: ChatResponse) -> Vec<ChatDelta> {
    let words = answer.text.split_inclusive(char::is_whitespace);
    let mut pieces: Vec<_> = words.map(|it| ChatDelta::Text(it.to_owned())).collect();
    for (index, call) in (0..).zip(answer.tool_calls) {
        pieces.push(ChatDelta::ToolCall {
            index,
            id: Some(call.id),
            name: Some(call.name),
            arguments: call.arguments.to_string(),
        });
    }
    pieces.push(ChatDelta::Finished {
        finish_reason: answer.finish_reason,
        usage: answer.usage,
        model: answer.model,
    });
    pieces
}

#[cfg(test)]
mod tests {
    use llmteam_security::clock::{ManualClock, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::{call::Caller, llm::collect};

    const SCRIPT: &str = r#"{
        "model": "stage",
        "steps": {
            "writer": ["one", {"text": "two words", "usage": {"input": 3, "output": 2}}],
            "critic": [[{"error": "rate_limited", "retry_after_ms": 1500}, {"json": {"ok": true}}]],
            "slow": {"text": "late", "delay_ms": 5000},
            "lead": {"tool_calls": [{"id": "t1", "name": "ask", "arguments": {"who": "bob"}}]},
            "bob": "the agent"
        },
        "prompts": [{"contains": "colour", "replies": ["red", "blue"]}]
    }"#;

    fn clock() -> ManualClock {
        ManualClock::new(Timestamp::from_micros(0))
    }

    fn provider() -> ScriptedProvider {
        ScriptedProvider::from_json(SCRIPT, Arc::new(clock())).unwrap()
    }

    fn by(step: &str, activation: u32, attempt: u32) -> ChatRequest {
        let caller = Caller::new(step.parse().unwrap()).at(activation, attempt);
        ChatRequest {
            caller: Some(caller),
            ..ChatRequest::new([Message::user("go")])
        }
    }

    #[tokio::test]
    async fn a_new_process_gives_the_same_answer_to_the_same_activation() {
        for activation in [2, 1, 2, 7] {
            let fresh = provider();
            let answer = fresh.chat(by("writer", activation, 1)).await.unwrap();
            let expected = if activation == 1 { "one" } else { "two words" };
            assert_eq!(answer.text, expected, "activation {activation}");
            assert_eq!(answer.model, "stage");
        }
    }

    #[tokio::test]
    async fn an_inner_list_answers_attempts() {
        let provider = provider();
        let error = provider.chat(by("critic", 1, 1)).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
        assert!(error.is_recoverable() && error.is_safe_to_repeat());
        let answer = provider.chat(by("critic", 1, 2)).await.unwrap();
        assert_eq!(answer.text, r#"{"ok":true}"#);
    }

    #[tokio::test]
    async fn agents_come_before_steps_and_prompts_before_nothing() {
        let provider = provider();
        let mut request = by("writer", 1, 1);
        request.caller.as_mut().unwrap().agent = Some("bob".parse().unwrap());
        assert_eq!(provider.chat(request).await.unwrap().text, "the agent");

        let mut talk = vec![Message::user("a colour?")];
        let answer = provider.chat(ChatRequest::new(talk.clone())).await.unwrap();
        assert_eq!(answer.text, "red");
        talk.extend([answer.message(), Message::user("another colour?")]);
        assert_eq!(
            provider.chat(ChatRequest::new(talk)).await.unwrap().text,
            "blue"
        );

        let unknown = provider.chat(by("nobody", 1, 1)).await.unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "the model refuses the request: the script has no reply for step `nobody`"
        );
        assert!(!unknown.is_recoverable());
    }

    #[tokio::test]
    async fn a_stream_collected_is_the_whole_answer() {
        let provider = provider();
        for step in ["writer", "lead"] {
            let whole = provider.chat(by(step, 2, 1)).await.unwrap();
            let streamed = collect(provider.stream(by(step, 2, 1))).await.unwrap();
            assert_eq!(streamed, whole);
        }
        let lead = provider.chat(by("lead", 1, 1)).await.unwrap();
        assert_eq!(lead.finish_reason, FinishReason::ToolCalls);
        assert_eq!(lead.tool_calls[0].arguments, json!({"who": "bob"}));
    }

    #[tokio::test(start_paused = true)]
    async fn delays_pass_on_the_clock_and_stop_at_the_timeout() {
        let clock = clock();
        let provider = ScriptedProvider::from_json(SCRIPT, Arc::new(clock.clone())).unwrap();
        let late = tokio::spawn({
            let provider = provider.clone();
            async move { provider.chat(by("slow", 1, 1)).await }
        });
        let hasty = tokio::spawn(async move {
            let timeout = Some(Duration::from_secs(2));
            let request = ChatRequest {
                timeout,
                ..by("slow", 1, 1)
            };
            provider.chat(request).await
        });
        clock.advance_to(Timestamp::from_micros(4_999_999)).await;
        assert!(!late.is_finished());
        clock.advance_to(Timestamp::from_micros(5_000_000)).await;
        assert_eq!(late.await.unwrap().unwrap().text, "late");
        let after = Duration::from_secs(2);
        assert_eq!(hasty.await.unwrap(), Err(LlmError::Timeout { after }));
    }

    #[test]
    fn a_faulty_script_is_refused_at_load() {
        for bad in [
            "",
            "[]",
            r#"{"stepz": {}}"#,
            r#"{"steps": {"a": []}}"#,
            r#"{"steps": {"a": 7}}"#,
            r#"{"steps": {"a": {}}}"#,
            r#"{"steps": {"a": {"text": "x", "json": 1}}}"#,
            r#"{"steps": {"a": {"text": "x", "error": "timeout"}}}"#,
            r#"{"steps": {"a": {"error": "bad luck"}}}"#,
            r#"{"steps": {"a": {"text": "x", "delay_ms": -1}}}"#,
        ] {
            let outcome = ScriptedProvider::from_json(bad, Arc::new(clock()));
            assert!(outcome.is_err(), "{bad}");
        }
    }
}
