//! A client that answers from a script: for examples, tests and runs without a network.
//!
//! Invariant: an answer depends on the script and the request alone, see [`llmteam_orchestration::script`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use llmteam_orchestration::{call::Sent, script::Replies};
use llmteam_security::clock::{Clock, Wake};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{
    client::{Client, ClientResponse, RequestOptions, without_query},
    error::EgressError,
};

/// Answers from a script.
///
/// ```json
/// {
///   "deduplicates": true,
///   "routes": {
///     "POST /articles": [{"status": 201, "json": {"id": 7}}, {"status": 409}],
///     "GET /health": {"text": "fine", "delay_ms": 50},
///     "DELETE /articles/7": [[{"error": "timeout"}, {"status": 204}]]
///   }
/// }
/// ```
///
/// Each list holds one reply per activation of the calling step and the last repeats; an inner list
/// holds one per attempt. A request without a caller gets the first.
#[derive(Clone, Debug)]
pub struct ScriptedClient {
    script: Arc<Script>,
    clock: Arc<dyn Clock>,
}

/// A script that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the script of a scripted HTTP client is not valid: {0}")]
pub struct HttpScriptError(#[from] serde_json::Error);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(default)]
    deduplicates: bool,
    routes: BTreeMap<String, Replies<Reply>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    #[serde(default = "ok")]
    status: u16,
    json: Option<Value>,
    text: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    retry_after_ms: Option<u64>,
    #[serde(default)]
    delay_ms: u64,
    error: Option<ErrorKind>,
}

fn ok() -> u16 {
    200
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ErrorKind {
    Connect,
    Timeout,
    Interrupted,
}

impl ErrorKind {
    fn error(self, after: Duration) -> EgressError {
        let detail = "as the script says".to_owned();
        let sent = Sent::Maybe;
        match self {
            Self::Connect => EgressError::Connect { detail },
            Self::Timeout => EgressError::Timeout { after, sent },
            Self::Interrupted => EgressError::Interrupted { detail, sent },
        }
    }
}

impl ScriptedClient {
    /// Reads a script. Delays pass on `clock`.
    pub fn from_json(script: &str, clock: Arc<dyn Clock>) -> Result<Self, HttpScriptError> {
        let script = Arc::new(serde_json::from_str(script)?);
        Ok(Self { script, clock })
    }
}

#[async_trait]
impl Client for ScriptedClient {
    async fn request(
        &self,
        method: Method,
        path: &str,
        options: RequestOptions,
    ) -> Result<ClientResponse, EgressError> {
        let route = format!("{method} /{}", without_query(path).trim_start_matches('/'));
        let Some(replies) = self.script.routes.get(&route) else {
            let reason = format!("the script has no reply for `{route}`");
            return Err(EgressError::InvalidRequest { reason });
        };
        let reply = replies.pick_for(options.caller.as_ref(), 1).clone();
        let delay = Duration::from_millis(reply.delay_ms);
        let wait = options.timeout.map_or(delay, |it| it.min(delay));
        if !wait.is_zero() {
            let until = self.clock.now().saturating_add(wait);
            self.clock.sleep_until(until, Wake::Work).await;
        }
        if wait < delay {
            return Err(ErrorKind::Timeout.error(wait));
        }
        if let Some(kind) = reply.error {
            return Err(kind.error(wait));
        }
        let body = match reply.json {
            Some(json) => json.to_string(),
            None => reply.text.unwrap_or_default(),
        };
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        Ok(ClientResponse {
            status: reply.status,
            headers: reply.headers.into_iter().map(lower).collect(),
            body: body.into_bytes(),
            retry_after: reply.retry_after_ms.map(Duration::from_millis),
        })
    }

    fn deduplicates(&self) -> bool {
        self.script.deduplicates
    }
}
