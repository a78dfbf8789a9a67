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
use serde_json::{Map, Value};

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
        let ports = [
            (ctx.step().primary_output().to_owned(), response.value()),
            ("status".to_owned(), response.status.into()),
        ];
        Ok(Value::Object(Map::from_iter(ports)).into())
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::canvas::handler::testing::{
        Recorder, as_output, in_segment, ports, refuses, step, whole,
    };
    use crate::runtime::StepInput;

    #[derive(Debug)]
    struct Service {
        reply: Result<ClientResponse, EgressError>,
        deduplicates: bool,
        asked: Mutex<Vec<(Method, String, RequestOptions)>>,
    }

    #[async_trait]
    impl Client for Service {
        async fn request(
            &self,
            method: Method,
            path: &str,
            options: RequestOptions,
        ) -> Result<ClientResponse, EgressError> {
            self.asked
                .lock()
                .unwrap()
                .push((method, path.to_owned(), options));
            self.reply.clone()
        }

        fn deduplicates(&self) -> bool {
            self.deduplicates
        }

        fn endpoint(&self, path: &str) -> String {
            format!(
                "https://api.test{}",
                path.split('?').next().unwrap_or_default()
            )
        }
    }

    struct Called {
        result: Result<Value, StepError>,
        request: Option<(Method, String, RequestOptions)>,
        events: Vec<String>,
    }

    impl Called {
        fn error(self) -> StepError {
            self.result.unwrap_err()
        }

        fn header(&self, name: &str) -> Vec<&str> {
            let (_, _, options) = self.request.as_ref().unwrap();
            let named = options
                .headers
                .iter()
                .filter(|(its, _)| its.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.as_str()).collect()
        }
    }

    fn status(status: u16, body: &str) -> Result<ClientResponse, EgressError> {
        Ok(ClientResponse {
            status,
            body: body.into(),
            ..ClientResponse::default()
        })
    }

    async fn call(
        reply: Result<ClientResponse, EgressError>,
        config: Value,
        input: StepInput,
    ) -> Called {
        let service = Arc::new(Service {
            reply,
            deduplicates: false,
            asked: Mutex::default(),
        });
        let runtime = in_segment();
        runtime.clients().register("api", Arc::clone(&service) as _);
        let mut full = json!({ "client_ref": "api", "path": "/items" });
        full.as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        let link = Arc::new(Recorder::default());
        let spec = Arc::new(step(ACTION, full));
        let context = StepContext::linked(
            runtime,
            spec,
            Arc::clone(&link) as _,
            (1, 1),
            input,
            Arc::default(),
        );
        let result = as_output(Arc::new(HTTPActionHandler).run(context).await);
        let request = service.asked.lock().unwrap().pop();
        Called {
            result,
            request,
            events: link.lines(),
        }
    }

    // covers: HA-01
    #[tokio::test]
    async fn the_body_is_the_port_or_the_subject_and_get_and_delete_have_none() {
        let both = || ports([("body", json!({ "b": 1 })), ("id", json!(7))]);
        for (method, input, expected) in [
            ("POST", both(), Some(json!({ "b": 1 }))),
            ("PUT", whole(json!([1])), Some(json!([1]))),
            ("PATCH", whole(json!({ "s": 1 })), Some(json!({ "s": 1 }))),
            ("GET", both(), None),
            ("DELETE", both(), None),
        ] {
            let called = call(status(200, ""), json!({ "method": method }), input).await;
            let (sent, _, options) = called.request.unwrap();
            assert_eq!(sent.as_str(), method);
            assert_eq!(options.body, expected.map(ClientBody::Json), "{method}");
            assert_eq!(options.tenant.unwrap().as_str(), "t");
        }
    }

    // covers: HA-01, L-03
    #[tokio::test]
    async fn path_and_query_are_filled_from_the_input() {
        let input = ports([
            ("id", json!("a/ü?&x=1")),
            (
                "params",
                json!({ "q": "a b", "tags": ["x", 2], "none": null, "o": { "k": 1 } }),
            ),
        ]);
        let config = json!({ "method": "GET", "path": "/items/{id}/{unknown}?v={{1}}" });
        let (_, path, options) = call(status(200, ""), config, input).await.request.unwrap();
        assert_eq!(path, "/items/a%2F%C3%BC%3F%26x%3D1/{unknown}?v={1}");
        let pairs: Vec<_> = options
            .query
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(pairs, [r#"o={"k":1}"#, "q=a b", "tags=x", "tags=2"]);
        let list = call(status(200, ""), json!({}), ports([("params", json!([1]))])).await;
        assert_eq!(list.error().error_type, "InvalidInputError");
    }

    #[tokio::test]
    async fn an_input_cannot_lead_out_of_the_path() {
        for id in ["..", "."] {
            let config = json!({ "path": "/users/{id}/orders" });
            let called = call(status(200, ""), config, ports([("id", json!(id))])).await;
            assert!(called.request.is_none());
            assert_eq!(called.error().error_type, "InvalidPathError", "{id}");
        }
        let config = json!({ "path": "/files/{a}{b}" });
        let called = call(
            status(200, ""),
            config,
            ports([("a", json!(".")), ("b", json!("."))]),
        )
        .await;
        assert_eq!(called.error().error_code.as_deref(), Some("INVALID_PATH"));
    }

    // covers: HA-02
    #[tokio::test]
    async fn the_result_is_body_and_status() {
        for (body, expected) in [
            (r#"{"a":1}"#, json!({ "a": 1 })),
            ("plain", json!("plain")),
            ("", json!("")),
        ] {
            let called = call(status(201, body), json!({}), whole(json!({}))).await;
            assert_eq!(
                called.result.unwrap(),
                json!({ "response": expected, "status": 201 })
            );
        }
        let config = json!({ "fail_on_status": false });
        let called = call(status(503, "busy"), config, whole(json!({}))).await;
        assert_eq!(
            called.result.unwrap(),
            json!({ "response": "busy", "status": 503 })
        );
    }

    // covers: HA-02
    #[tokio::test]
    async fn a_failing_status_is_an_error_and_some_may_be_tried_again() {
        for (code, recoverable) in [
            (400, false),
            (404, false),
            (408, false),
            (429, true),
            (500, false),
            (501, false),
            (502, true),
            (503, true),
            (504, true),
        ] {
            let error = call(
                status(code, ""),
                json!({ "method": "PUT" }),
                whole(json!({})),
            )
            .await
            .error();
            assert_eq!(error.error_type, "HttpStatusError");
            assert_eq!(error.error_code, Some(format!("HTTP_{code}")));
            assert_eq!(error.recoverable, recoverable, "{code}");
        }
    }

    fn timeout() -> Result<ClientResponse, EgressError> {
        Err(EgressError::Timeout {
            after: Duration::from_secs(1),
            sent: Sent::Maybe,
        })
    }

    fn connect() -> Result<ClientResponse, EgressError> {
        Err(EgressError::Connect {
            detail: "refused".to_owned(),
        })
    }

    // covers: HA-02
    #[tokio::test]
    async fn what_may_have_acted_is_repeated_only_where_a_repeat_does_no_harm() {
        let asked_to_wait = ClientResponse {
            status: 503,
            retry_after: Some(Duration::from_secs(1)),
            ..ClientResponse::default()
        };
        // A POST that nobody recognises: only what surely did nothing.
        for (reply, known) in [
            (connect(), true),
            (status(429, ""), true),
            (Ok(asked_to_wait), true),
            (timeout(), false),
            (status(502, ""), false),
            (status(503, ""), false),
            (status(504, ""), false),
        ] {
            let shown = format!("{reply:?}");
            let error = call(reply, json!({}), whole(json!({}))).await.error();
            assert_eq!(error.recoverable, known, "{shown}");
            let unknown = error.error_code.as_deref() == Some("OUTCOME_UNKNOWN");
            assert_eq!(unknown, !known, "{shown}");
        }
        for config in [
            json!({ "idempotent": true }),
            json!({ "method": "DELETE" }),
            json!({ "method": "GET" }),
        ] {
            let error = call(timeout(), config.clone(), whole(json!({})))
                .await
                .error();
            assert!(error.recoverable, "{config}");
            assert_eq!(error.error_type, "EgressTimeoutError");
        }
    }

    #[test]
    fn the_effect_class_follows_method_configuration_and_client() {
        let runtime = in_segment();
        for (id, deduplicates) in [("plain", false), ("exact", true)] {
            let service = Service {
                reply: status(200, ""),
                deduplicates,
                asked: Mutex::default(),
            };
            runtime.clients().register(id, Arc::new(service));
        }
        for (config, class) in [
            (json!({}), EffectClass::AtMostOnce),
            (
                json!({ "method": "PATCH", "idempotent": false }),
                EffectClass::AtMostOnce,
            ),
            (json!({ "idempotent": true }), EffectClass::Keyed),
            (
                json!({ "client_ref": "exact", "method": "PATCH" }),
                EffectClass::Keyed,
            ),
            (json!({ "client_ref": "plain" }), EffectClass::AtMostOnce),
            (json!({ "method": "GET" }), EffectClass::Idempotent),
            (json!({ "method": "PUT" }), EffectClass::Idempotent),
            (json!({ "method": "DELETE" }), EffectClass::Idempotent),
        ] {
            let config = config.as_object().unwrap();
            assert_eq!(
                HTTPActionHandler.effect_class(config, &runtime),
                class,
                "{config:?}"
            );
        }
    }

    // covers: HA-03
    #[tokio::test]
    async fn a_call_is_told_before_and_after_and_carries_its_key() {
        let config = json!({ "path": "/items?token=t", "headers": { "X-A": "1", "idempotency-KEY": "mine" } });
        let called = call(status(200, ""), config, whole(json!({}))).await;
        assert_eq!(called.header("x-a"), ["1"]);
        let key = called.header("Idempotency-Key");
        assert_eq!((key.len(), key[0].len()), (1, 52));
        assert_eq!(
            called.events,
            [
                // An intent comes before the call that must not be repeated.
                "action.started {}",
                r#"action.started {"action_type":"http_action","endpoint":"https://api.test/items"}"#,
                r#"action.completed {"action_type":"http_action","status_code":200}"#,
            ]
        );
        let get = call(
            status(404, ""),
            json!({ "method": "GET" }),
            whole(json!({})),
        )
        .await;
        assert!(get.header("Idempotency-Key").is_empty());
        assert_eq!(get.events.len(), 2);
        assert_eq!(
            get.events[1],
            r#"action.failed {"action_type":"http_action"}"#
        );
    }

    #[tokio::test]
    async fn a_wrong_configuration_is_refused() {
        refuses(
            HTTPActionHandler,
            step(ACTION, json!({ "path": "/" })),
            "client_ref",
        )
        .await;
        let method = json!({ "client_ref": "api", "path": "/", "method": "TRACE" });
        refuses(HTTPActionHandler, step(ACTION, method), "method").await;
    }
}
