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

    /// The reply as the step's result (L-05). Which port it goes to is decided by its shape.
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
