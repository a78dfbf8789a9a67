//! The one HTTP client.
//!
//! Invariant: see the parent module; everything it promises is kept here, for every method and body.

use std::{fmt, sync::Arc, time::Duration};

use llmteam_orchestration::call::Sent;
use llmteam_security::clock::{Clock, Timestamp, Wake, until};
use reqwest::{
    Method, Url,
    header::{HeaderMap, RETRY_AFTER},
};

use super::{
    error::EgressError,
    policy::EgressPolicy,
    resolve::{CheckedResolver, Lookup, SystemLookup},
    retry_after::retry_after,
};

/// The bounds of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the response has ended; a request may bring its own.
    pub total: Duration,
    /// Bytes of a response's body, after decompression.
    pub body: usize,
    /// Headers of a response.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
            body: 8 * 1024 * 1024,
            headers: 64,
        }
    }
}

/// Makes outbound calls within one policy. Clones share connections.
#[derive(Clone)]
pub struct Egress {
    http: reqwest::Client,
    policy: Arc<EgressPolicy>,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One request.
#[derive(Debug)]
pub struct EgressRequest {
    /// The method.
    pub method: Method,
    /// The address.
    pub url: Url,
    /// Headers that passed [`header_map`](super::header_map).
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// How long the whole exchange may take, instead of the limit.
    pub timeout: Option<Duration>,
}

impl Egress {
    /// A client for `policy`; it reads trusted roots from the system if the policy allows https.
    pub fn new(
        policy: EgressPolicy,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EgressError> {
        Self::with_lookup(policy, limits, clock, Arc::new(SystemLookup))
    }

    pub(super) fn with_lookup(
        policy: EgressPolicy,
        limits: Limits,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, EgressError> {
        let policy = Arc::new(policy);
        let resolver = CheckedResolver {
            policy: Arc::clone(&policy),
            lookup,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that makes HTTP clients"
        )]
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(limits.connect)
            .http1_max_headers(limits.headers)
            .http2_max_header_list_size(64 * 1024)
            .user_agent(concat!("llmteam/", env!("CARGO_PKG_VERSION")));
        if !policy.uses_tls() {
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| EgressError::Connect {
            detail: format!("no HTTP client: {}", chain(&error)),
        })?;
        Ok(Self {
            http,
            policy,
            limits: Arc::new(limits),
            clock,
        })
    }

    /// Sends a request and waits until the response begins.
    pub async fn send(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        self.policy.check_url(&request.url)?;
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let mut call = self.http.request(request.method, request.url);
        call = call.headers(request.headers);
        if let Some(body) = request.body {
            call = call.body(body);
        }

        let started = self.clock.now();
        let total = request.timeout.unwrap_or(self.limits.total);
        let begun = self.within(started, total, Sent::Maybe, call.send());
        let response = begun.await?.map_err(|error| fault(error, Sent::Maybe))?;

        if let Some(peer) = response.remote_addr() {
            self.policy.check_peer(&host, peer)?;
        }
        if response.headers().len() > self.limits.headers {
            let limit = format!("{} headers", self.limits.headers);
            return Err(EgressError::TooLarge { limit });
        }
        let asked = response.headers().get(RETRY_AFTER);
        let asked = asked.and_then(|it| it.to_str().ok());
        Ok(EgressResponse {
            retry_after: asked.and_then(|it| retry_after(it, self.clock.now())),
            response,
            egress: self.clone(),
            started,
            total,
            read: 0,
        })
    }

    /// Waits for `work`, which started at `started` and may take `span`.
    async fn within<T>(
        &self,
        started: Timestamp,
        span: Duration,
        sent: Sent,
        work: impl Future<Output = T>,
    ) -> Result<T, EgressError> {
        let deadline = started.saturating_add(span);
        until(&*self.clock, deadline, Wake::Timer, work)
            .await
            .ok_or(EgressError::Timeout { after: span, sent })
    }
}

/// A response that has begun.
#[derive(Debug)]
pub struct EgressResponse {
    response: reqwest::Response,
    egress: Egress,
    started: Timestamp,
    total: Duration,
    read: usize,
    retry_after: Option<Duration>,
}

impl EgressResponse {
    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// How long the service asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// More of the body as it arrives, decompressed; `None` at its end. Limit and deadline hold over all
    /// pieces together.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, EgressError> {
        let next = self.response.chunk();
        let next = self
            .egress
            .within(self.started, self.total, Sent::Yes, next);
        let Some(bytes) = next.await?.map_err(|error| fault(error, Sent::Yes))? else {
            return Ok(None);
        };
        self.read = self.read.saturating_add(bytes.len());
        let limit = self.egress.limits.body;
        if self.read > limit {
            let limit = format!("{limit} bytes");
            return Err(EgressError::TooLarge { limit });
        }
        Ok(Some(bytes.to_vec()))
    }

    /// The whole body, within limit and deadline.
    pub async fn read_bounded(mut self) -> Result<Vec<u8>, EgressError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }
}

/// What a fault of the HTTP library means. `sent` is what is known before it.
fn fault(error: reqwest::Error, sent: Sent) -> EgressError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(it) = cause {
        if let Some(own) = it.downcast_ref::<EgressError>() {
            return own.clone();
        }
        cause = it.source();
    }
    let connecting = error.is_connect();
    let detail = chain(&error.without_url());
    if connecting {
        EgressError::Connect { detail }
    } else {
        EgressError::Interrupted { detail, sent }
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        let more = it.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = it.source();
    }
    text
}
