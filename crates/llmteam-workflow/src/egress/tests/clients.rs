//! The clients steps are handed: what the operator configured, what the step may choose.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use llmteam_orchestration::call::{Caller, Sent};
use llmteam_security::{
    clock::{ManualClock, SystemClock, Timestamp},
    id::TenantId,
    secret::{Secret, SecretError, SecretsProvider},
};
use serde_json::{Value, json};

use super::server::Server;
use crate::egress::*;

#[derive(Debug)]
struct OneSecret;

#[async_trait]
impl SecretsProvider for OneSecret {
    async fn get_secret(&self, tenant: &TenantId, id: &str) -> Result<Secret, SecretError> {
        match (tenant.as_str(), id) {
            ("acme", "cms") => Ok(Secret::new("k{key}1")),
            _ => Err(SecretError::NotFound(id.to_owned())),
        }
    }
}

fn config(base_url: &str) -> HttpClientConfig {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = |(a, b): &(&str, &str)| (a.to_string(), b.to_string());
        pairs.iter().map(owned).collect()
    };
    HttpClientConfig {
        base_url: base_url.to_owned(),
        headers: map(&[("Authorization", "Bearer {key}{x}"), ("X-Own", "own")]),
        secret_refs: map(&[("key", "cms")]),
        deduplicates: true,
        limits: Limits::default(),
    }
}

fn client(config: HttpClientConfig) -> Result<HttpClient, EgressError> {
    HttpClient::new(config, Arc::new(OneSecret), Arc::new(SystemClock))
}

fn for_tenant(tenant: &str) -> RequestOptions {
    RequestOptions {
        tenant: Some(tenant.parse().unwrap()),
        ..RequestOptions::default()
    }
}

#[tokio::test]
async fn a_client_adds_what_the_operator_configured_and_sends_what_the_step_gave() {
    let server = Server::saying(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nX-Trace: t\r\n\
         Content-Length: 8\r\n\r\n{\"a\": 1}",
    )
    .await;
    let client = client(config(&format!("{}/v1/", server.url()))).unwrap();
    let options = RequestOptions {
        headers: vec![("X-Own".into(), "step".into())],
        query: vec![("q".into(), "a b&c".into())],
        body: Some(ClientBody::Json(json!({"n": 1}))),
        ..for_tenant("acme")
    };
    let response = client
        .request(Method::POST, "/items?x=1", options)
        .await
        .unwrap();
    assert_eq!(response.status, 429);
    assert_eq!(response.header("x-trace"), Some("t"));
    assert_eq!(response.value(), json!({"a": 1}));
    assert_eq!(response.retry_after, Some(Duration::from_secs(7)));
    assert!(response.is_safe_to_repeat() && client.deduplicates());

    let request = &server.requests()[0];
    let lines: Vec<String> = request.lines().map(str::to_ascii_lowercase).collect();
    assert_eq!(lines[0], "post /v1/items?x=1&q=a+b%26c http/1.1");
    for line in [
        "authorization: bearer k{key}1{x}",
        "x-own: step",
        "content-type: application/json",
        r#"{"n":1}"#,
    ] {
        assert_eq!(
            lines.iter().filter(|it| *it == line).count(),
            1,
            "{line} in {request}"
        );
    }
    assert!(!format!("{client:?}").contains("Bearer"));
    let endpoint = format!("{}/v1/items", server.url());
    assert_eq!(client.endpoint("/items?token=x"), endpoint);
}

#[tokio::test]
async fn a_secret_is_asked_for_in_the_tenants_name() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let client = client(config(&server.url())).unwrap();
    for options in [for_tenant("other"), RequestOptions::default()] {
        let error = client.request(Method::GET, "/", options).await.unwrap_err();
        assert_eq!(error.sent(), Sent::No);
    }
    assert_eq!(server.connections(), 0);
}

/// Row 54 and 58 for a configured client: a path cannot become another address, a header cannot frame.
#[tokio::test]
async fn a_path_stays_below_the_base_address() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let client = client(config(&format!("{}/v1", server.url()))).unwrap();
    for path in [
        "http://evil.example/",
        "file:///etc/passwd",
        "/../admin",
        "/a/%2e%2E/../b",
        "..",
        "/a\\b",
        "/a b",
        "/a\r\nHost: evil",
        "/a#b",
    ] {
        let error = client.request(Method::GET, path, for_tenant("acme")).await;
        assert_eq!(
            error.unwrap_err().code(),
            "EGRESS_INVALID_REQUEST",
            "{path:?}"
        );
    }
    for header in [("Host", "evil"), ("X-A", "b\r\nX-C: d")] {
        let options = RequestOptions {
            headers: vec![(header.0.into(), header.1.into())],
            ..for_tenant("acme")
        };
        let error = client.request(Method::GET, "/", options).await;
        assert_eq!(
            error.unwrap_err().code(),
            "EGRESS_INVALID_REQUEST",
            "{header:?}"
        );
    }
    assert_eq!(server.connections(), 0);

    for (path, line) in [
        ("", "GET /v1 HTTP/1.1"),
        ("/", "GET /v1 HTTP/1.1"),
        ("//evil.example/x", "GET /v1/evil.example/x HTTP/1.1"),
        ("/@evil.example", "GET /v1/@evil.example HTTP/1.1"),
        ("a/b", "GET /v1/a/b HTTP/1.1"),
        ("/a/b%2Fc/", "GET /v1/a/b%2Fc/ HTTP/1.1"),
        ("?q=1", "GET /v1/?q=1 HTTP/1.1"),
    ] {
        client
            .request(Method::GET, path, for_tenant("acme"))
            .await
            .unwrap();
        assert_eq!(
            server.requests().last().unwrap().lines().next(),
            Some(line),
            "{path}"
        );
    }
}

#[test]
fn a_faulty_configuration_is_refused_at_once() {
    let good = config("https://api.example.com");
    let faulty = [
        config("api.example.com"),
        config("ftp://api.example.com"),
        config("https://user:pw@api.example.com"),
        config("https://api.example.com?x=1"),
        HttpClientConfig {
            headers: BTreeMap::from([("Host".into(), "{key}".into())]),
            ..good.clone()
        },
        HttpClientConfig {
            headers: BTreeMap::new(),
            ..good
        },
    ];
    for config in faulty {
        let error = client(config.clone()).unwrap_err();
        assert!(!error.to_string().contains("pw"), "{config:?}: {error}");
    }
}

#[tokio::test]
async fn a_scripted_client_answers_by_activation_and_attempt() {
    let script = r#"{"deduplicates": true, "routes": {
        "POST /articles": [{"status": 201, "json": {"id": 7}}, [{"error": "timeout"}, {"status": 503, "retry_after_ms": 20}]],
        "GET /health": {"text": "fine", "headers": {"X-A": "b"}}
    }}"#;
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let client = ScriptedClient::from_json(script, clock.clone()).unwrap();
    let ask = |activation, attempt| {
        let caller = Caller::new("publish".parse().unwrap()).at(activation, attempt);
        let options = RequestOptions {
            caller: Some(caller),
            ..RequestOptions::default()
        };
        client.request(Method::POST, "/articles?draft=1", options)
    };
    for _ in 0..2 {
        let first = ask(1, 1).await.unwrap();
        assert_eq!((first.status, first.value()), (201, json!({"id": 7})));
        assert_eq!(ask(2, 1).await.unwrap_err().sent(), Sent::Maybe);
        assert!(ask(2, 2).await.unwrap().is_safe_to_repeat());
    }
    let health = client.request(Method::GET, "health", RequestOptions::default());
    let health = health.await.unwrap();
    assert_eq!(health.value(), Value::String("fine".into()));
    assert_eq!(health.header("x-a"), Some("b"));
    let unknown = client.request(Method::GET, "/nothing", RequestOptions::default());
    assert!(!unknown.await.unwrap_err().is_recoverable());
    assert!(ScriptedClient::from_json(r#"{"routes": {"GET /": []}}"#, clock).is_err());
}
