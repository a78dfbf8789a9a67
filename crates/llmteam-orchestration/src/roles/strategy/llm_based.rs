//! A language model decides.
//!
//! Invariant: a decision of a model was read and checked in full, and names registered agents only. An answer that cannot
//! be used is sent back with everything that is wrong with it, so often and no more; then the fallback decides, or the
//! decision says that there was none. Every call ends in bounded time and is recorded before its answer counts.
//! This module does not know what becomes of a decision.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use llmteam_security::clock::{Clock, Wake, until};
use serde_json::json;

use super::{
    super::{
        decision::{Confidence, DecisionSource, DecisionType, OrchestrationDecision},
        text::cut,
    },
    AnswerFault, ModelCall, ModelCallLog, ModelCallOutcome, OrchestrationContext,
    OrchestrationStrategy, PromptLimits, StrategyError, answer,
    prompt::{SYSTEM, answer_schema, prompt},
    template::PromptTemplate,
};
use crate::llm::{ChatRequest, ChatResponse, LlmError, LlmProvider, Message};

/// The reason of a decision that stands for an answer which could not be used.
const PARSE_ERROR: &str = "llm_parse_error";
/// How much of an answer that could not be used the model is shown again, in characters.
const SHOWN_AGAIN: usize = 2_000;
/// How many faults of one answer the model is told.
const FAULTS_TOLD: usize = 20;
/// The longest wait between two calls.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// How a model is asked.
#[derive(Clone)]
pub struct LLMStrategyConfig {
    /// What it is asked.
    pub template: PromptTemplate,
    /// How much of a run it is shown.
    pub limits: PromptLimits,
    /// Fields of states and history that it is never shown, beside those that a state names under `sealed_fields`.
    pub sealed_fields: BTreeSet<String>,
    /// How often it is asked again after an answer that could not be used.
    pub re_asks: u32,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// How often a call that failed and may work at another time is made again.
    pub call_retries: u32,
    /// The wait before a call is made again; it doubles each time. A longer wait that the vendor asks for is kept.
    pub retry_delay: Duration,
    /// The model's randomness, as its vendor defines it.
    pub temperature: Option<f64>,
}

/// The template of this crate; one more question after a bad answer, two more calls after a failed one, 30 s for each.
impl Default for LLMStrategyConfig {
    fn default() -> Self {
        Self {
            template: PromptTemplate::default(),
            limits: PromptLimits::default(),
            sealed_fields: BTreeSet::new(),
            re_asks: 1,
            call_timeout: Duration::from_secs(30),
            call_retries: 2,
            retry_delay: Duration::from_millis(500),
            temperature: None,
        }
    }
}

/// Asks a language model for the decision.
#[derive(Clone)]
pub struct LLMBasedStrategy {
    llm: Arc<dyn LlmProvider>,
    clock: Arc<dyn Clock>,
    config: LLMStrategyConfig,
    fallback: Option<Arc<dyn OrchestrationStrategy>>,
    log: Option<Arc<dyn ModelCallLog>>,
}

impl LLMBasedStrategy {
    /// Asks `llm` as `config` says.
    ///
    /// # Errors
    ///
    /// [`StrategyError::InvalidConfig`] for a time or limit of zero.
    pub fn new(
        llm: Arc<dyn LlmProvider>,
        config: LLMStrategyConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StrategyError> {
        let positive = [
            ("call_timeout", config.call_timeout.is_zero()),
            ("limits.text", config.limits.text == 0),
            ("limits.entries", config.limits.entries == 0),
            ("limits.depth", config.limits.depth == 0),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(StrategyError::InvalidConfig {
                field,
                value: "0".to_owned(),
                rule: "more than 0",
            });
        }
        Ok(Self {
            llm,
            clock,
            config,
            fallback: None,
            log: None,
        })
    }

    /// The same, asking `fallback` where the model gives no decision.
    #[must_use]
    pub fn with_fallback(mut self, fallback: Arc<dyn OrchestrationStrategy>) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// The same, recording every call in `log`.
    #[must_use]
    pub fn with_log(mut self, log: Arc<dyn ModelCallLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// Asks until an answer can be used; otherwise how often it was asked, and what was wrong with the last answer.
    async fn ask(
        &self,
        context: &OrchestrationContext,
    ) -> Result<Result<OrchestrationDecision, (u32, Vec<AnswerFault>)>, StrategyError> {
        let config = &self.config;
        let first = prompt(
            &config.template,
            context,
            &config.limits,
            &config.sealed_fields,
        );
        let mut messages = vec![Message::system(SYSTEM), Message::user(first)];
        let mut asks = 0;
        loop {
            asks += 1;
            let response = self.call(context, &messages, asks).await?;
            let faults = match answer::read(&response.text, &context.available_agents) {
                Ok(decision) => return Ok(Ok(decision.by(DecisionSource::Model { asks }))),
                Err(faults) => faults,
            };
            if asks > config.re_asks {
                return Ok(Err((asks, faults)));
            }
            messages.push(Message::Assistant {
                text: cut(&response.text, SHOWN_AGAIN),
                tool_calls: Vec::new(),
            });
            messages.push(Message::user(correction(&faults)));
        }
    }

    /// One answer, from as many calls as that takes within the limits.
    async fn call(
        &self,
        context: &OrchestrationContext,
        messages: &[Message],
        ask: u32,
    ) -> Result<ChatResponse, StrategyError> {
        let mut delay = self.config.retry_delay;
        let mut call = 0;
        loop {
            call += 1;
            let began = self.clock.monotonic();
            let result = self.call_once(context, messages).await;
            let duration = self.clock.monotonic().saturating_sub(began);
            self.record(context, messages, (ask, call), duration, &result)
                .await?;
            let error = match result {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            if !error.is_recoverable() || call > self.config.call_retries {
                return Err(StrategyError::Model {
                    calls: call,
                    source: error,
                });
            }
            let wait = error
                .retry_after()
                .unwrap_or_default()
                .max(delay)
                .min(LONGEST_DELAY);
            let again = self.clock.now().saturating_add(wait);
            self.clock.sleep_until(again, Wake::Timer).await;
            delay = delay.saturating_mul(2);
        }
    }

    async fn call_once(
        &self,
        context: &OrchestrationContext,
        messages: &[Message],
    ) -> Result<ChatResponse, LlmError> {
        let timeout = self.config.call_timeout;
        let request = ChatRequest {
            response_schema: Some(answer_schema(context)),
            temperature: self.config.temperature,
            timeout: Some(timeout),
            ..ChatRequest::new(messages)
        };
        let deadline = self.clock.now().saturating_add(timeout);
        let answer = until(&*self.clock, deadline, Wake::Timer, self.llm.chat(request)).await;
        answer.unwrap_or(Err(LlmError::Timeout { after: timeout }))
    }

    async fn record(
        &self,
        context: &OrchestrationContext,
        messages: &[Message],
        (ask, call): (u32, u32),
        duration: Duration,
        result: &Result<ChatResponse, LlmError>,
    ) -> Result<(), StrategyError> {
        let outcome = match result {
            Ok(response) => ModelCallOutcome::Answered {
                model: response.model.clone(),
                usage: response.usage,
                answer_chars: response.text.chars().count(),
            },
            Err(error) => ModelCallOutcome::Failed { code: error.code() },
        };
        tracing::debug!(ask, call, ?outcome, "asked a model for a decision");
        let Some(log) = &self.log else {
            return Ok(());
        };
        let call = ModelCall {
            pipeline_id: context.pipeline_id.clone(),
            run: context.run.clone(),
            ask,
            call,
            prompt_chars: messages.iter().map(|it| it.text().chars().count()).sum(),
            duration,
            outcome,
        };
        let recorded = log.record(&call).await;
        recorded.map_err(|reason| StrategyError::Unrecorded { reason })
    }

    /// The decision of the fallback, which says that the model gave none and why.
    async fn fall_back(
        &self,
        fallback: &dyn OrchestrationStrategy,
        context: &OrchestrationContext,
        why: String,
    ) -> Result<OrchestrationDecision, StrategyError> {
        let mut decision = fallback.decide(context).await?;
        decision.metadata.insert(MODEL_FAULT.to_owned(), why.into());
        Ok(decision)
    }
}

/// The member of a decision's metadata that says why the model gave none.
pub const MODEL_FAULT: &str = "model_fault";

#[async_trait]
impl OrchestrationStrategy for LLMBasedStrategy {
    async fn decide(
        &self,
        context: &OrchestrationContext,
    ) -> Result<OrchestrationDecision, StrategyError> {
        let fallback = self.fallback.as_deref();
        match (self.ask(context).await, fallback) {
            (Ok(Ok(decision)), _) => Ok(decision),
            (Ok(Err((_, faults))), Some(fallback)) => {
                self.fall_back(fallback, context, listed(&faults, "; "))
                    .await
            }
            (Ok(Err((asks, faults))), None) => Ok(unusable(asks, &faults)),
            (Err(error @ StrategyError::Model { .. }), Some(fallback)) => {
                self.fall_back(fallback, context, error.to_string()).await
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// What stands for a decision when no answer could be used and nobody else is asked.
fn unusable(asks: u32, faults: &[AnswerFault]) -> OrchestrationDecision {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    OrchestrationDecision {
        confidence: Confidence::EVEN,
        metadata: [("faults".to_owned(), json!(faults))].into_iter().collect(),
        ..OrchestrationDecision::new(DecisionType::Route, [], PARSE_ERROR)
    }
    .by(DecisionSource::ParseError { asks })
}

/// What a model is told of an answer that could not be used.
fn correction(faults: &[AnswerFault]) -> String {
    let faults = listed(faults, "\n- ");
    format!(
        "Your answer cannot be used:\n- {faults}\nAnswer again, with one JSON object and nothing else."
    )
}

fn listed(faults: &[AnswerFault], between: &str) -> String {
    let faults = faults.iter().take(FAULTS_TOLD).map(ToString::to_string);
    faults.collect::<Vec<_>>().join(between)
}

impl fmt::Debug for LLMBasedStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LLMBasedStrategy")
            .field("llm", &self.llm)
            .field("fallback", &self.fallback.is_some())
            .finish_non_exhaustive()
    }
}
