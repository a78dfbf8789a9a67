//! Step handlers that answer from a case's script, and hand on to the built-in ones where it says nothing.
//!
//! The script outlives a process: what a crash or a pause interrupts goes on with the next action.

use super::case::Case;
use super::observed::Check;
use async_trait::async_trait;
use llmteam::canvas::catalog::{PortSpec, StepCatalog, StepCategory, StepTypeMetadata};
use llmteam::canvas::definition::{PortType, SegmentDefinition};
use llmteam::canvas::handler::{
    EffectClass, StepError, StepHandler, StepOutcome, StepOutput, builtin,
};
use llmteam::clock::{Clock, ManualClock, Wake};
use llmteam::human::{
    Answer, HumanError, HumanInteractionManager, InteractionFilter, InteractionResponse,
    NewInteraction,
};
use llmteam::principal::{Principal, Role};
use llmteam::runtime::{RuntimeContext, StepContext};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the handlers of a case answer, and how far each step has come.
pub(super) struct Script {
    actions: BTreeMap<String, Vec<Value>>,
    calls: Mutex<BTreeMap<String, usize>>,
    checks: Mutex<Vec<Check>>,
    clock: ManualClock,
    people: Arc<HumanInteractionManager>,
}

impl Script {
    pub(super) fn new(
        case: &Case,
        clock: ManualClock,
        people: Arc<HumanInteractionManager>,
    ) -> Self {
        Self {
            actions: case.script.clone(),
            calls: Mutex::default(),
            checks: Mutex::default(),
            clock,
            people,
        }
    }

    /// Notes what was expected of something and what was found.
    pub(super) fn check(&self, what: String, expected: &str, found: String) {
        let check = Check {
            what,
            expected: expected.to_owned(),
            found,
        };
        self.checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(check);
    }

    pub(super) fn take_checks(&self) -> Vec<Check> {
        std::mem::take(&mut self.checks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The action of the next handler call of a step; the last one repeats.
    fn next(&self, step: &str) -> Option<Value> {
        let actions = self.actions.get(step)?;
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let call = calls.entry(step.to_owned()).or_default();
        *call += 1;
        actions.get(*call - 1).or_else(|| actions.last()).cloned()
    }

    /// The built-in types and those of the case, with a handler that asks this script first.
    pub(super) fn catalog(
        self: &Arc<Self>,
        types: &Map<String, Value>,
        segment: &SegmentDefinition,
    ) -> StepCatalog {
        let catalog = StepCatalog::with_builtins();
        for (id, described) in types {
            catalog.register(custom_type(id, described), None);
        }
        for step in &segment.steps {
            let scripted = self.actions.contains_key(step.step_id.as_str());
            if let Some(metadata) = catalog.get(&step.step_type).filter(|_| scripted) {
                let handler = Scripted {
                    script: Arc::clone(self),
                    unscripted: builtin(&step.step_type),
                };
                catalog.register((*metadata).clone(), Some(Arc::new(handler)));
            }
        }
        catalog
    }
}

fn custom_type(id: &str, described: &Value) -> StepTypeMetadata {
    let ports = |key: &str| {
        let ports = described[key].as_array().into_iter().flatten();
        let port = |port: &Value| {
            let name = port["name"].as_str().unwrap_or_default();
            let spec = PortSpec::new(name, PortType::Any);
            match port["required"] == false {
                true => spec.optional(),
                false => spec,
            }
        };
        ports.map(port).collect()
    };
    StepTypeMetadata {
        supports_retry: described["supports_retry"] != false,
        supports_timeout: described["supports_timeout"] != false,
        input_ports: ports("input_ports"),
        output_ports: ports("output_ports"),
        primary_output: described["primary_output"].as_str().map(str::to_owned),
        ..StepTypeMetadata::new(id, id, StepCategory::Utility)
    }
}

/// The handler of one type: the script, or else the type's own handler.
struct Scripted {
    script: Arc<Script>,
    unscripted: Option<Arc<dyn StepHandler>>,
}

#[async_trait]
impl StepHandler for Scripted {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let action = self.script.next(ctx.step_id().as_str()).unwrap_or_default();
        let replaces = ["return", "return_bytes", "fail"];
        if replaces.iter().any(|key| action.get(*key).is_some()) {
            return act(&self.script.clock, &action, &ctx).await;
        }
        let handler = self.unscripted.clone().ok_or_else(no_handler)?;
        let outcome = handler.run(ctx).await?;
        if let (StepOutcome::Ask(question), Some(respond)) = (&outcome, action.get("respond")) {
            let answers = match respond {
                Value::Array(answers) => answers.clone(),
                _ => vec![action.clone()],
            };
            for answer in answers {
                self.script.answer_later(question, answer);
            }
        }
        Ok(outcome)
    }

    fn answered(
        &self,
        ctx: &StepContext,
        answer: &InteractionResponse,
    ) -> Result<StepOutput, StepError> {
        let handler = self.unscripted.as_ref().ok_or_else(no_handler)?;
        handler.answered(ctx, answer)
    }

    fn unanswered(&self, ctx: &StepContext) -> Result<StepOutput, StepError> {
        let handler = self.unscripted.as_ref().ok_or_else(no_handler)?;
        handler.unanswered(ctx)
    }

    fn effect_class(&self, config: &Map<String, Value>, runtime: &RuntimeContext) -> EffectClass {
        match &self.unscripted {
            Some(handler) => handler.effect_class(config, runtime),
            None => EffectClass::Repeatable,
        }
    }
}

fn no_handler() -> StepError {
    StepError::new("ScriptError", "the case says nothing for this step").fatal()
}

/// `return`, `return_bytes` or `fail`, after its time.
async fn act(
    clock: &ManualClock,
    action: &Value,
    ctx: &StepContext,
) -> Result<StepOutcome, StepError> {
    let after = milliseconds(action);
    if !after.is_zero() {
        let done = clock.sleep_until(clock.now().saturating_add(after), Wake::Work);
        if action["ignore_cancel"] == true {
            done.await;
        } else {
            tokio::select! {
                biased;
                () = done => {}
                () = ctx.cancelled() => return Err(StepError::cancelled()),
            }
        }
    }
    for write in action["store"].as_array().into_iter().flatten() {
        let text = |key: &str| write[key].as_str().unwrap_or_default();
        let store = match write["tenant_wide"] == true {
            true => ctx.get_tenant_store(text("store"))?,
            false => ctx.get_store(text("store"))?,
        };
        llmteam::kv::KeyValueStore::set(&store, text("set"), write["value"].clone()).await?;
    }
    if let Some(fault) = action.get("fail") {
        let unreadable = |why: serde_json::Error| StepError::new("ScriptError", why.to_string());
        let fault: StepError = serde_json::from_value(fault.clone()).map_err(unreadable)?;
        return Err(fault);
    }
    let bytes = action["return_bytes"]
        .as_u64()
        .and_then(|bytes| usize::try_from(bytes).ok());
    Ok(match bytes {
        Some(bytes) => json!("x".repeat(bytes)),
        None => action["return"].clone(),
    }
    .into())
}

impl Script {
    /// Answers a question that is about to be asked, `after_ms` from now.
    fn answer_later(self: &Arc<Self>, question: &NewInteraction, answer: Value) {
        let script = Arc::clone(self);
        let (tenant, run) = (question.tenant.clone(), question.run.clone());
        let (step, key) = (question.step.clone(), question.dedup_key.clone());
        let at = script.clock.now().saturating_add(milliseconds(&answer));
        tokio::spawn(async move {
            script.clock.sleep_until(at, Wake::Work).await;
            let filter = InteractionFilter {
                run: Some(run),
                ..InteractionFilter::default()
            };
            let requests = script.people.list(&tenant, &filter).await;
            let request = requests
                .unwrap_or_default()
                .into_iter()
                .find(|request| request.dedup_key == key);
            let found = match (request, person(&answer["respond"])) {
                (Some(request), Some((person, answer))) => {
                    let given =
                        script
                            .people
                            .respond(&tenant, &request.request_id, &person, answer);
                    match given.await {
                        Ok(_) => "accepted",
                        Err(HumanError::InvalidResponse(_)) => "invalid",
                        Err(
                            HumanError::AlreadyClosed { .. } | HumanError::AlreadyClaimed { .. },
                        ) => "conflict",
                        Err(error) => error.code(),
                    }
                }
                (None, _) => "no request",
                (_, None) => "unreadable",
            };
            if let Some(expected) = answer["is"].as_str() {
                script.check(format!("answer to `{step}`"), expected, found.to_owned());
            }
        });
    }
}

/// Who answers, and what.
fn person(respond: &Value) -> Option<(Principal, Answer)> {
    let mut fields = respond.as_object()?.clone();
    let id = fields.remove("responder_id")?;
    let person = Principal::new(id.as_str()?.parse().ok()?).with_role(Role::Override);
    let answer = serde_json::from_value(Value::Object(fields)).ok()?;
    Some((person, answer))
}

fn milliseconds(action: &Value) -> Duration {
    Duration::from_millis(action["after_ms"].as_u64().unwrap_or(0))
}
