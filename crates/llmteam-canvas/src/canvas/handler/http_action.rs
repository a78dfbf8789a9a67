//! `http_action`: one call of a configured HTTP client (HA-01 to HA-03).
//!
//! Invariant: a call that may have acted is never repeated unless its effect class says that a repeat
//! does no harm.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llmteam_orchestration::call::Sent;
use llmteam_workflow::egress::{
    Client, ClientBody, ClientResponse, EgressError, Method, RequestOptions,
};
use serde_json::{Map, Value, json};

use super::template::{Names, Template, shown};
use super::{EffectClass, StepError, StepHandler, StepOutcome, config};
use crate::events::ErrorInfo;
use crate::runtime::{RuntimeContext, StepContext, StepSpec};

/// Runs `http_action` steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct HTTPActionHandler;

const ACTION: &str = "http_action";
const KEY_HEADER: &str = "Idempotency-Key";

/// What a configuration asks for.
struct Prepared {
    client: String,
    method: Method,
    path: Template,
    headers: Vec<(String, String)>,
    fail_on_status: bool,
}

#[async_trait]
impl StepHandler for HTTPActionHandler {
    async fn run(self: Arc<Self>, ctx: StepContext) -> Result<StepOutcome, StepError> {
        let action = ctx.step().prepared(prepare)?;
        let client = ctx.get_client(&action.client)?;
        let class = self.effect_class(ctx.config(), ctx.runtime());
        let path = action.path(&ctx)?;
        let mut options = action.options(&ctx)?;
        let key = ctx.begin_effect(class).await?;
        if action.method != Method::GET {
            options.headers.push((KEY_HEADER.to_owned(), key));
        }
        ctx.emitter()
            .action_started(ACTION, Some(&client.endpoint(&path)));
        let began = ctx.runtime().clock().now();
        let response = action.call(&ctx, &*client, &path, options, class).await;
        match &response {
            Ok(response) => {
                let took = millis(ctx.runtime().clock().now().since(began));
                ctx.emitter()
                    .action_completed(ACTION, took, Some(response.status));
            }
            Err(error) => ctx.emitter().action_failed(ACTION, ErrorInfo::from(error)),
        }
        let response = response?;
        Ok(
            json!({ ctx.step().primary_output(): response.value(), "status": response.status })
                .into(),
        )
    }

    fn effect_class(&self, config: &Map<String, Value>, runtime: &RuntimeContext) -> EffectClass {
        let deduplicates = || {
            let client =
                config::text(config, "client_ref").and_then(|id| runtime.resolve_client(id).ok());
            client.is_some_and(|it| it.deduplicates())
        };
        match config::text(config, "method").unwrap_or("POST") {
            "GET" | "PUT" | "DELETE" => EffectClass::Idempotent,
            _ if config.get("idempotent") == Some(&Value::Bool(true)) || deduplicates() => {
                EffectClass::Keyed
            }
            _ => EffectClass::AtMostOnce,
        }
    }
}

impl Prepared {
    async fn call(
        &self,
        ctx: &StepContext,
        client: &dyn Client,
        path: &str,
        options: RequestOptions,
        class: EffectClass,
    ) -> Result<ClientResponse, StepError> {
        let response = tokio::select! {
            biased;
            response = client.request(self.method.clone(), path, options) => response,
            () = ctx.cancelled() => return Err(StepError::cancelled()),
        };
        let response = response.map_err(|error| call_error(&error, class))?;
        if response.status >= 400 && self.fail_on_status {
            return Err(status_error(&response, class));
        }
        Ok(response)
    }

    /// The path with its names filled in, percent-encoded.
    fn path(&self, ctx: &StepContext) -> Result<String, StepError> {
        let subject = ctx.input().subject();
        let names = Names {
            input: ctx.input(),
            subject: &subject,
        };
        let path = self.path.fill_with(&names, percent_encoded);
        let steps_up = |segment: &str| matches!(segment, "." | "..");
        if path
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .split('/')
            .any(steps_up)
        {
            // An input must not lead out of the part of the service that the author names.
            let message = format!("path `{path}` has a segment `.` or `..`");
            return Err(StepError::new("InvalidPathError", message)
                .with_code("INVALID_PATH")
                .fatal());
        }
        Ok(path)
    }

    fn options(&self, ctx: &StepContext) -> Result<RequestOptions, StepError> {
        let has_body = !matches!(self.method, Method::GET | Method::DELETE);
        let body = || match ctx.input().port("body") {
            Some(body) => body.clone(),
            None => Value::clone(&ctx.input().subject()),
        };
        Ok(RequestOptions {
            headers: self.headers.clone(),
            query: ctx
                .input()
                .port("params")
                .map(query)
                .transpose()?
                .unwrap_or_default(),
            body: has_body.then(|| ClientBody::Json(body())),
            tenant: Some(ctx.tenant_id().clone()),
            caller: Some(ctx.caller()),
            ..RequestOptions::default()
        })
    }
}

fn prepare(step: &StepSpec) -> Result<Prepared, StepError> {
    config::check(ACTION, &step.config)?;
    let text = |key| config::text(&step.config, key).unwrap_or_default();
    let headers = step
        .config
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    Ok(Prepared {
        client: text("client_ref").to_owned(),
        method: match text("method") {
            "GET" => Method::GET,
            "PUT" => Method::PUT,
            "DELETE" => Method::DELETE,
            "PATCH" => Method::PATCH,
            _ => Method::POST,
        },
        path: Template::parse(text("path")),
        headers: headers
            // The key of the effect is the one that makes a repeat harmless.
            .filter(|(name, _)| !name.eq_ignore_ascii_case(KEY_HEADER))
            .map(|(name, value)| (name.clone(), shown(value)))
            .collect(),
        fail_on_status: step.config.get("fail_on_status") != Some(&Value::Bool(false)),
    })
}

/// The query string of an object: a list gives its name once per item, null gives nothing.
fn query(params: &Value) -> Result<Vec<(String, String)>, StepError> {
    let Value::Object(params) = params else {
        let message = "the value on port `params` is not an object";
        return Err(StepError::new("InvalidInputError", message)
            .with_code("INVALID_INPUT")
            .fatal());
    };
    let mut pairs = Vec::new();
    for (name, value) in params {
        let values = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let given = values.iter().filter(|value| !value.is_null());
        pairs.extend(given.map(|value| (name.clone(), shown(value))));
    }
    Ok(pairs)
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What a call without a response means for the step.
fn call_error(error: &EgressError, class: EffectClass) -> StepError {
    let ambiguous = error.is_recoverable() && error.sent() != Sent::No;
    if ambiguous && class == EffectClass::AtMostOnce {
        return StepError::outcome_unknown(format!("the call may have taken effect: {error}"));
    }
    StepError {
        error_type: error.error_type().to_owned(),
        error_message: error.to_string(),
        error_code: Some(error.code().to_owned()),
        recoverable: error.is_recoverable(),
    }
}

/// What a failing status means for the step (HA-02).
fn status_error(response: &ClientResponse, class: EffectClass) -> StepError {
    let status = response.status;
    let recoverable = matches!(status, 429 | 502..=504);
    if recoverable && !response.is_safe_to_repeat() && class == EffectClass::AtMostOnce {
        return StepError::outcome_unknown(format!(
            "the call may have taken effect: the service answered with status {status}"
        ));
    }
    let error = StepError::new(
        "HttpStatusError",
        format!("the service answered with status {status}"),
    )
    .with_code(format!("HTTP_{status}"));
    if recoverable { error } else { error.fatal() }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
