//! Asking a vendor's service: one request, one answer or one stream.
//!
//! Invariant: every request goes through [`Egress`], and every fault of it or of the service becomes an
//! [`LlmError`] without the key.

use std::{collections::VecDeque, fmt, sync::Arc};

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use llmteam_orchestration::llm::{ChatDelta, ChatRequest, ChatResponse, LlmError, LlmProvider};
use llmteam_security::secret::Secret;
use llmteam_workflow::egress::{Egress, EgressRequest, EgressResponse, HeaderMap, Method, Url};
use serde_json::{Value, map::Entry};

use crate::{
    fault::{of_egress, of_response, without_key},
    framing::Framer,
    vendor::{Decoder, Vendor},
};

/// A provider that asks a service over HTTP.
pub(crate) struct HttpProvider<V>(Arc<Inner<V>>);

struct Inner<V> {
    vendor: V,
    url: Url,
    headers: HeaderMap,
    model: String,
    key: Option<Secret>,
    egress: Egress,
}

impl<V> fmt::Debug for HttpProvider<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProvider")
            .field("url", &self.0.url.as_str())
            .field("model", &self.0.model)
            .finish_non_exhaustive()
    }
}

impl<V: Vendor> HttpProvider<V> {
    pub(crate) fn new(
        vendor: V,
        url: Url,
        headers: HeaderMap,
        model: String,
        key: Option<Secret>,
        egress: Egress,
    ) -> Self {
        Self(Arc::new(Inner {
            vendor,
            url,
            headers,
            model,
            key,
            egress,
        }))
    }
}

impl<V: Vendor> Inner<V> {
    /// Sends the request; a response that begins here has a good status.
    async fn send(&self, request: &ChatRequest, stream: bool) -> Result<EgressResponse, LlmError> {
        let model = request.model.as_deref().unwrap_or(&self.model);
        let mut body = self.vendor.body(model, request, stream);
        merge(&mut body, Value::Object(request.extra.clone()));
        let request = EgressRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Some(body.to_string().into_bytes()),
            timeout: request.timeout,
        };
        let response = self.egress.send(request).await.map_err(of_egress)?;
        if response.status() == 200 {
            Ok(response)
        } else {
            Err(of_response(response).await)
        }
    }

    async fn chat(&self, request: &ChatRequest) -> Result<ChatResponse, LlmError> {
        let response = self.send(request, false).await?;
        let body = response.read_bounded().await.map_err(of_egress)?;
        let body = serde_json::from_slice(&body).map_err(|error| LlmError::Malformed {
            detail: format!("the response is not JSON: {error}"),
        })?;
        self.vendor.answer(&body)
    }
}

#[async_trait]
impl<V: Vendor> LlmProvider for HttpProvider<V> {
    async fn chat(&self, request: ChatRequest) -> Result<ChatResponse, LlmError> {
        let answer = self.0.chat(&request).await;
        answer.map_err(|error| without_key(error, self.0.key.as_ref()))
    }

    fn stream(&self, request: ChatRequest) -> BoxStream<'static, Result<ChatDelta, LlmError>> {
        let inner = Arc::clone(&self.0);
        let key = inner.key.clone();
        stream::try_unfold(Streaming::Asking(inner, request), Streaming::next)
            .map(move |it| it.map_err(|error| without_key(error, key.as_ref())))
            .boxed()
    }
}

/// Where a stream stands.
enum Streaming<V> {
    Asking(Arc<Inner<V>>, ChatRequest),
    Reading(Reading),
    Done,
}

struct Reading {
    response: EgressResponse,
    framer: Framer,
    decoder: Box<dyn Decoder>,
    ready: VecDeque<ChatDelta>,
    ended: bool,
}

impl<V: Vendor> Streaming<V> {
    /// The next piece and where the stream stands after it; nothing follows the last piece or an error.
    async fn next(self) -> Result<Option<(ChatDelta, Self)>, LlmError> {
        let mut reading = match self {
            Self::Done => return Ok(None),
            Self::Reading(reading) => reading,
            Self::Asking(inner, request) => Reading {
                response: inner.send(&request, true).await?,
                framer: Framer::new(V::FRAMING),
                decoder: inner.vendor.decoder(),
                ready: VecDeque::new(),
                ended: false,
            },
        };
        let delta = reading.next().await?;
        let last = matches!(delta, ChatDelta::Finished { .. });
        let state = if last {
            Self::Done
        } else {
            Self::Reading(reading)
        };
        Ok(Some((delta, state)))
    }
}

impl Reading {
    async fn next(&mut self) -> Result<ChatDelta, LlmError> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Ok(delta);
            }
            if self.ended {
                return self.decoder.end().ok_or_else(cut);
            }
            match self.response.chunk().await.map_err(of_egress)? {
                Some(bytes) => self.read(&bytes)?,
                None => {
                    self.ended = true;
                    if let Some(frame) = self.framer.finish()? {
                        self.ready.extend(self.decoder.frame(&frame)?);
                    }
                }
            }
        }
    }

    /// Reads every message that `bytes` complete.
    fn read(&mut self, bytes: &[u8]) -> Result<(), LlmError> {
        for frame in self.framer.push(bytes)? {
            self.ready.extend(self.decoder.frame(&frame)?);
        }
        Ok(())
    }
}

/// The bytes ended where the answer had not.
fn cut() -> LlmError {
    LlmError::Interrupted {
        detail: "the stream ended before the answer did".to_owned(),
    }
}

/// Lays `over` on top of `base`, member by member.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                match base.entry(key) {
                    Entry::Vacant(slot) => drop(slot.insert(value)),
                    Entry::Occupied(slot) => merge(slot.into_mut(), value),
                }
            }
        }
        (base, over) => *base = over,
    }
}
