//! The client a step is handed: a named service of the operator's.
//!
//! Invariant: a step chooses method, path and data; address, credentials and limits are the operator's.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use llmteam_orchestration::call::Caller;
use llmteam_security::id::TenantId;
use serde_json::Value;

use reqwest::Method;

use super::error::EgressError;

/// A service that can be asked over HTTP, or a stand-in for one.
#[async_trait]
pub trait Client: Send + Sync + fmt::Debug {
    /// Makes one attempt. Every status is a response; an error means there is none.
    async fn request(
        &self,
        method: Method,
        path: &str,
        options: RequestOptions,
    ) -> Result<ClientResponse, EgressError>;

    /// Whether the service recognises a repeated `Idempotency-Key` and does not act twice.
    fn deduplicates(&self) -> bool {
        false
    }

    /// The address a path stands for, without query string, for logs and events.
    fn endpoint(&self, path: &str) -> String {
        without_query(path).to_owned()
    }
}

pub(super) fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or(path)
}

/// What goes with a request.
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    /// Headers beside those of the client; of one name these win.
    pub headers: Vec<(String, String)>,
    /// Added to the query string of the path.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Option<ClientBody>,
    /// How long the whole exchange may take, instead of the client's limit.
    pub timeout: Option<Duration>,
    /// For whom: secrets are asked for in this tenant's name.
    pub tenant: Option<TenantId>,
    /// Who asks. Never sent; a scripted client answers by it.
    pub caller: Option<Caller>,
}

/// A request's body.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientBody {
    /// Sent as compact JSON, with its content type.
    Json(Value),
    /// Sent as it is; the content type is the caller's to set.
    Bytes(Vec<u8>),
}

/// A response with any status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientResponse {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its transfer and content encodings.
    pub body: Vec<u8>,
    /// How long the service asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

impl ClientResponse {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(its, _)| its == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as data: JSON if it is JSON, else its text, `""` for none (HA-02).
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.body).into_owned()))
    }

    /// Whether the service said that it did nothing and may be asked again: 429, or 503 with a time to wait.
    pub fn is_safe_to_repeat(&self) -> bool {
        self.status == 429 || (self.status == 503 && self.retry_after.is_some())
    }
}
