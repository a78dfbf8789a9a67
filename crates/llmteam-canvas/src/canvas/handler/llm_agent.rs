//! `llm_agent`: asks a language model and passes its answer on (L-01 to L-06).

use std::sync::Arc;

use async_trait::async_trait;
use llmteam_orchestration::llm::{ChatRequest, ChatResponse, LlmError, Message};
use llmteam_security::kv::KeyValueStore;
use serde_json::Value;

use super::template::{Names, Template, shown};
use super::{StepError, StepHandler, StepOutcome, config};
use crate::events::{CallKind, ErrorInfo, StepEvent};
use crate::runtime::{StepContext, StepSpec};

/// Runs `llm_agent` steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct LLMAgentHandler;

/// The store that prompt templates are read from.
const PROMPT_STORE: &str = "prompts";

/// What a configuration asks for.
struct Prepared {
    /// Name of the provider in the runtime (L-01).
    llm: String,
    prompt: Prompt,
    system: Option<String>,
    temperature: f64,
    max_tokens: u32,
    model: Option<String>,
    json: bool,
}

/// Where the prompt comes from (L-02).
enum Prompt {
    Stored(String),
    Written(Template),
    Subject,
}

#[async_trait]
impl StepHandler for LLMAgentHandler {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let agent = ctx.step().prepared(prepare)?;
        let provider = ctx.get_llm(&agent.llm)?;
        let request = agent.request(agent.prompt(&ctx).await?, &ctx);
        let began = ctx.runtime().clock().now();
        if ctx.emits_calls() {
            ctx.emit(StepEvent::call_started(1, CallKind::Model, &agent.llm));
        }
        let answer = tokio::select! {
            biased;
            answer = provider.chat(request) => answer,
            () = ctx.cancelled() => return Err(StepError::cancelled()),
        };
        let answer = answer.map_err(StepError::from);
        if ctx.emits_calls() {
            let took = ctx.runtime().clock().now().since(began);
            ctx.emit(call_ended(&agent.llm, took, &answer));
        }
        agent.result(answer?.text)
    }
}

fn call_ended(
    llm: &str,
    took: std::time::Duration,
    answer: &Result<ChatResponse, StepError>,
) -> StepEvent {
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match answer {
        Ok(answer) => StepEvent::call_completed(1, CallKind::Model, llm, took, answer.usage),
        Err(error) => StepEvent::call_failed(1, CallKind::Model, llm, ErrorInfo::from(error)),
    }
}

impl Prepared {
    async fn prompt(&self, ctx: &StepContext) -> Result<String, StepError> {
        let subject = ctx.input().subject();
        let names = Names {
            input: ctx.input(),
            subject: &subject,
        };
        Ok(match &self.prompt {
            Prompt::Stored(id) => stored_template(ctx, id).await?.fill(&names),
            Prompt::Written(template) => template.fill(&names),
            Prompt::Subject => prompt_in(&subject),
        })
    }

    fn request(&self, prompt: String, ctx: &StepContext) -> ChatRequest {
        let system = self.system.clone().map(Message::system);
        ChatRequest {
            temperature: Some(self.temperature),
            max_tokens: Some(self.max_tokens),
            model: self.model.clone(),
            response_schema: self.json.then_some(Value::Bool(true)),
            caller: Some(ctx.caller()),
            ..ChatRequest::new(
                system
                    .into_iter()
                    .chain([Message::user(prompt)])
                    .collect::<Vec<_>>(),
            )
        }
    }

    /// The reply as the step's result (L-05). Which port it goes to is decided by its shape (X-21).
    fn result(&self, reply: String) -> Result<StepOutcome, StepError> {
        if !self.json {
            return Ok(Value::String(reply).into());
        }
        let value: Value = serde_json::from_str(&reply).map_err(|error| {
            StepError::new(
                "OutputFormatError",
                format!("the model's reply is not JSON: {error}"),
            )
            .with_code("OUTPUT_FORMAT")
        })?;
        Ok(value.into())
    }
}

fn prepare(step: &StepSpec) -> Result<Prepared, StepError> {
    let mut checked = step.config.clone();
    let named = config::text(&step.config, "llm_ref").is_some();
    // L-01: a model alone names the provider as well.
    if let (false, Some(model)) = (named, checked.get("model").cloned()) {
        checked.insert("llm_ref".to_owned(), model);
    }
    config::check("llm_agent", &checked)?;
    let text = |key| config::text(&checked, key).map(str::to_owned);
    let number = |key| checked.get(key).and_then(Value::as_f64);
    let max_tokens = checked
        .get("max_tokens")
        .and_then(Value::as_u64)
        .unwrap_or(1000);
    Ok(Prepared {
        llm: text("llm_ref").unwrap_or_default(),
        prompt: match (text("prompt_template_id"), text("prompt")) {
            (Some(id), _) => Prompt::Stored(id),
            (None, Some(prompt)) => Prompt::Written(Template::parse(&prompt)),
            (None, None) => Prompt::Subject,
        },
        system: text("system_prompt"),
        temperature: number("temperature").unwrap_or(0.7),
        max_tokens: u32::try_from(max_tokens).unwrap_or(u32::MAX),
        model: text("model").filter(|_| named),
        json: config::text(&checked, "output_format") == Some("json"),
    })
}

/// The template of this id in the tenant's part of the prompt store: a text, or a record with `text`.
async fn stored_template(ctx: &StepContext, id: &str) -> Result<Template, StepError> {
    let record = ctx.get_tenant_store(PROMPT_STORE)?.get(id).await?;
    let missing = || StepError::resource_not_found(format!("Prompt template '{id}' not found"));
    let record = record.ok_or_else(missing)?;
    if let Some(syntax) = record.get("syntax").and_then(Value::as_str)
        && syntax != "plain"
    {
        let message =
            format!("prompt template `{id}` is written in `{syntax}`, which is not known");
        return Err(StepError::resource_not_found(message));
    }
    let text = record
        .as_str()
        .or_else(|| record.get("text")?.as_str())
        .ok_or_else(missing)?;
    Ok(Template::parse(text))
}

/// The prompt that a subject is or holds.
fn prompt_in(subject: &Value) -> String {
    let held = ["prompt", "query", "input", "text"]
        .iter()
        .find_map(|key| subject.get(key));
    shown(held.unwrap_or(subject))
}

impl From<LlmError> for StepError {
    /// A provider's error is the step's error (L-06).
    fn from(error: LlmError) -> Self {
        Self {
            error_type: error.error_type().to_owned(),
            error_message: error.to_string(),
            error_code: Some(error.code().to_owned()),
            recoverable: error.is_recoverable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::stream::BoxStream;
    use llmteam_orchestration::llm::{ChatDelta, FinishReason, LlmProvider, Usage};
    use llmteam_security::kv::MemoryKeyValueStore;
    use serde_json::json;

    use super::*;
    use crate::canvas::handler::testing::{
        Recorder, as_output, in_segment, ports, refuses, step, whole,
    };
    use crate::runtime::{Activation, StepInput};

    /// Answers with one text, or never, and keeps what it was asked.
    #[derive(Debug)]
    struct Model {
        reply: Option<Result<String, LlmError>>,
        asked: Mutex<Vec<ChatRequest>>,
    }

    #[async_trait]
    impl LlmProvider for Model {
        async fn chat(&self, request: ChatRequest) -> Result<ChatResponse, LlmError> {
            self.asked.lock().unwrap().push(request);
            let Some(reply) = self.reply.clone() else {
                return std::future::pending().await;
            };
            Ok(ChatResponse {
                text: reply?,
                tool_calls: Vec::new(),
                finish_reason: FinishReason::Stop,
                usage: Usage {
                    input: 5,
                    output: 2,
                    cached: 1,
                },
                model: "m-1".to_owned(),
            })
        }

        fn stream(&self, _: ChatRequest) -> BoxStream<'static, Result<ChatDelta, LlmError>> {
            Box::pin(futures_util::stream::empty())
        }
    }

    struct Asked {
        result: Result<Value, StepError>,
        request: Option<ChatRequest>,
        events: Vec<String>,
    }

    fn model(reply: Option<Result<&str, LlmError>>) -> Arc<Model> {
        let reply = reply.map(|it| it.map(str::to_owned));
        Arc::new(Model {
            reply,
            asked: Mutex::default(),
        })
    }

    fn context(
        model: &Arc<Model>,
        config: Value,
        input: StepInput,
        link: &Arc<Recorder>,
    ) -> StepContext {
        let runtime = in_segment();
        runtime.llms().register("main", Arc::clone(model) as _);
        runtime.stores().register("prompts", Arc::new(prompts()));
        let link = Arc::clone(link) as _;
        StepContext::linked(
            runtime,
            Arc::new(step("llm_agent", config)),
            link,
            (2, 3),
            input,
            Arc::default(),
        )
    }

    fn prompts() -> MemoryKeyValueStore {
        let store = MemoryKeyValueStore::default();
        for (key, template) in [
            ("t:greet", json!("Hello {name}")),
            ("t:record", json!({ "text": "Record {name}" })),
            (
                "t:jinja",
                json!({ "text": "{{ name }}", "syntax": "jinja" }),
            ),
            ("other:secret", json!("not yours")),
        ] {
            futures_util::FutureExt::now_or_never(store.set(key, template))
                .unwrap()
                .unwrap();
        }
        store
    }

    async fn ask(reply: Result<&str, LlmError>, config: Value, input: StepInput) -> Asked {
        let (model, link) = (model(Some(reply)), Arc::default());
        let context = context(&model, config, input, &link);
        let result = as_output(Arc::new(LLMAgentHandler).run(context).await);
        let request = model.asked.lock().unwrap().pop();
        Asked {
            result,
            request,
            events: link.lines(),
        }
    }

    async fn prompt(config: Value, input: StepInput) -> String {
        let mut full = json!({ "llm_ref": "main" });
        full.as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        ask(Ok(""), full, input)
            .await
            .request
            .unwrap()
            .last_user_text()
            .to_owned()
    }

    // covers: L-02, L-03
    #[tokio::test]
    async fn the_prompt_is_the_first_that_applies() {
        let input = || ports([("name", json!("Ann")), ("query", json!("why?"))]);
        let both = json!({ "prompt_template_id": "greet", "prompt": "Bye {name}" });
        assert_eq!(prompt(both, input()).await, "Hello Ann");
        assert_eq!(
            prompt(json!({ "prompt_template_id": "record" }), input()).await,
            "Record Ann"
        );
        assert_eq!(
            prompt(json!({ "prompt": "Bye {name}" }), input()).await,
            "Bye Ann"
        );
        assert_eq!(prompt(json!({}), input()).await, "why?");
        assert_eq!(
            prompt(json!({}), whole(json!("just this"))).await,
            "just this"
        );
        let keyed = whole(json!({ "text": "t", "input": { "a": 1 } }));
        assert_eq!(prompt(json!({}), keyed).await, r#"{"a":1}"#);
        assert_eq!(
            prompt(json!({}), whole(json!({ "n": [1] }))).await,
            r#"{"n":[1]}"#
        );
        let named = ports([("input", json!({ "x": 1 }))]).with_subject(Arc::new(json!({ "x": 1 })));
        assert_eq!(
            prompt(json!({ "prompt": "{input} {x}" }), named).await,
            r#"{"x":1} 1"#
        );
    }

    // covers: L-02
    #[tokio::test]
    async fn a_template_is_the_tenants_own_or_missing() {
        for id in ["missing", "secret", "jinja"] {
            let config = json!({ "llm_ref": "main", "prompt_template_id": id });
            let asked = ask(Ok(""), config, whole(json!({}))).await;
            let error = asked.result.unwrap_err();
            assert_eq!(error.error_type, "ResourceNotFoundError", "{id}");
            assert!(error.error_message.contains(id) && !error.recoverable);
            assert!(asked.request.is_none());
        }
    }

    // covers: L-01, L-04
    #[tokio::test]
    async fn provider_and_parameters_come_from_the_configuration() {
        let asked = ask(Ok("hi"), json!({ "llm_ref": "main" }), whole(json!("x"))).await;
        let request = asked.request.unwrap();
        assert_eq!(
            (request.temperature, request.max_tokens),
            (Some(0.7), Some(1000))
        );
        assert_eq!((request.model, request.response_schema), (None, None));
        let caller = request.caller.unwrap();
        assert_eq!(
            (caller.step.as_str(), caller.activation, caller.attempt),
            ("work", 2, 3)
        );

        let config = json!({
            "llm_ref": "main", "model": "m-2", "temperature": 0, "max_tokens": 7, "system_prompt": "be {brief}",
        });
        let request = ask(Ok("hi"), config, whole(json!("x")))
            .await
            .request
            .unwrap();
        assert_eq!(
            (request.temperature, request.max_tokens),
            (Some(0.0), Some(7))
        );
        assert_eq!(request.model.as_deref(), Some("m-2"));
        assert_eq!(
            request.messages,
            [Message::system("be {brief}"), Message::user("x")]
        );

        let by_model = ask(Ok("hi"), json!({ "model": "main" }), whole(json!("x"))).await;
        assert_eq!(by_model.request.unwrap().model, None);
        let unknown = ask(Ok("hi"), json!({ "llm_ref": "nope" }), whole(json!("x"))).await;
        assert_eq!(
            unknown.result.unwrap_err().error_message,
            "LLM provider 'nope' not found"
        );
    }

    // covers: L-05
    #[tokio::test]
    async fn text_is_passed_on_and_json_is_parsed() {
        let reply = r#" {"verdict": {"ok": true}} "#;
        let text = ask(Ok(reply), json!({ "llm_ref": "main" }), whole(json!("x"))).await;
        assert_eq!(text.result.unwrap(), json!(reply));
        let config = json!({ "llm_ref": "main", "output_format": "json" });
        let parsed = ask(Ok(reply), config.clone(), whole(json!("x"))).await;
        assert_eq!(parsed.result.unwrap(), json!({ "verdict": { "ok": true } }));
        assert_eq!(parsed.request.unwrap().response_schema, Some(json!(true)));
        let error = ask(Ok("sorry"), config, whole(json!("x")))
            .await
            .result
            .unwrap_err();
        assert_eq!(
            (error.error_type.as_str(), error.recoverable),
            ("OutputFormatError", true)
        );
        assert_eq!(error.error_code.as_deref(), Some("OUTPUT_FORMAT"));
    }

    // covers: L-06
    #[tokio::test]
    async fn a_providers_error_is_the_steps_error() {
        for (error, recoverable) in [
            (LlmError::RateLimited { retry_after: None }, true),
            (LlmError::Auth { status: 401 }, false),
        ] {
            let asked = ask(
                Err(error.clone()),
                json!({ "llm_ref": "main" }),
                whole(json!("x")),
            )
            .await;
            let failed = asked.result.unwrap_err();
            assert_eq!(failed.error_type, error.error_type());
            assert_eq!(failed.error_code.as_deref(), Some(error.code()));
            assert_eq!(failed.recoverable, recoverable);
            assert!(asked.events[1].starts_with("call.failed"));
        }
    }

    #[tokio::test]
    async fn usage_is_told_in_call_events() {
        let asked = ask(Ok("hi"), json!({ "llm_ref": "main" }), whole(json!("x"))).await;
        assert_eq!(
            asked.events,
            [
                r#"call.started {"call":1,"kind":"model","name":"main"}"#,
                r#"call.completed {"call":1,"kind":"model","name":"main","usage":{"cached":1,"input":5,"output":2}}"#,
            ]
        );
    }

    // covers: X-69
    #[tokio::test]
    async fn a_cancelled_step_does_not_wait_for_the_model() {
        let (model, shared) = (model(None), Arc::new(Activation::default()));
        let runtime = in_segment();
        runtime.llms().register("main", Arc::clone(&model) as _);
        let spec = Arc::new(step("llm_agent", json!({ "llm_ref": "main" })));
        let link = Arc::new(Recorder::default());
        let input = whole(json!("x"));
        let context = StepContext::linked(runtime, spec, link, (1, 1), input, Arc::clone(&shared));
        let (outcome, ()) = tokio::join!(Arc::new(LLMAgentHandler).run(context), async {
            tokio::task::yield_now().await;
            shared.cancel();
        });
        assert_eq!(outcome.unwrap_err().error_type, "CancelledError");
        assert_eq!(model.asked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_wrong_configuration_is_refused() {
        refuses(
            LLMAgentHandler,
            step("llm_agent", json!({})),
            "Missing required field: llm_ref",
        )
        .await;
        let hot = json!({ "llm_ref": "main", "temperature": 3 });
        refuses(LLMAgentHandler, step("llm_agent", hot), "temperature").await;
    }
}
