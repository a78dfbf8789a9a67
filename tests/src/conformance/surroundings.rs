//! What surrounds the run of a case: models and HTTP clients that answer from it, and stores that fail on demand.

use super::case::Case;
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use llmteam::call::Sent;
use llmteam::egress::{Client, ClientBody, ClientResponse, EgressError, Method, RequestOptions};
use llmteam::id::{RunId, TenantId};
use llmteam::kv::{KeyCodec, KeyValueStore, MemoryKeyValueStore};
use llmteam::llm::{
    ChatDelta, ChatRequest, ChatResponse, FinishReason, LlmError, LlmProvider, Message, Usage,
};
use llmteam::persistence::{
    MemorySnapshotStore, PipelineSnapshot, SnapshotError, SnapshotFilter, SnapshotInfo,
    SnapshotStore,
};
use llmteam::runtime::{ClientRegistry, LLMRegistry, StoreRegistry};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a run reaches by name.
pub(super) struct Surroundings {
    pub(super) llms: LLMRegistry,
    pub(super) clients: ClientRegistry,
    pub(super) stores: StoreRegistry,
    models: BTreeMap<String, Arc<Model>>,
    services: BTreeMap<String, Arc<Service>>,
    kept: BTreeMap<String, MemoryKeyValueStore>,
}

impl Surroundings {
    pub(super) async fn of(case: &Case, tenant: &TenantId) -> Result<Self, String> {
        let mut it = Self {
            llms: LLMRegistry::new(),
            clients: ClientRegistry::new(),
            stores: StoreRegistry::new(),
            models: BTreeMap::new(),
            services: BTreeMap::new(),
            kept: BTreeMap::new(),
        };
        for (name, replies) in &case.llm {
            let model = Arc::new(Model(Calls::new(replies)));
            it.llms
                .register(name, Arc::clone(&model) as Arc<dyn LlmProvider>);
            it.models.insert(name.clone(), model);
        }
        for (name, responses) in &case.http {
            let service = Arc::new(Service(Calls::new(responses)));
            it.clients
                .register(name, Arc::clone(&service) as Arc<dyn Client>);
            it.services.insert(name.clone(), service);
        }
        for name in store_names(case) {
            let store = MemoryKeyValueStore::default();
            it.stores.register(&name, Arc::new(store.clone()));
            it.kept.insert(name, store);
        }
        if let Some(prompts) = it.kept.get("prompts") {
            for (id, text) in &case.prompts {
                let key = KeyCodec::tenant(tenant).encode(id);
                let kept = prompts.set(&key, text.clone()).await;
                kept.map_err(|error| error.to_string())?;
            }
        }
        Ok(it)
    }

    pub(super) fn llm_calls(&self) -> BTreeMap<String, Vec<Value>> {
        let calls = self.models.iter();
        calls
            .map(|(name, it)| (name.clone(), it.0.seen()))
            .collect()
    }

    pub(super) fn http_calls(&self) -> BTreeMap<String, Vec<Value>> {
        let calls = self.services.iter();
        calls
            .map(|(name, it)| (name.clone(), it.0.seen()))
            .collect()
    }

    pub(super) async fn stored(&self) -> Result<BTreeMap<String, Value>, String> {
        let mut stored = BTreeMap::new();
        for (name, store) in &self.kept {
            let mut values = Map::new();
            for key in store.list("").await.map_err(|error| error.to_string())? {
                let value = store.get(&key).await.map_err(|error| error.to_string())?;
                values.insert(key, value.unwrap_or_default());
            }
            stored.insert(name.clone(), Value::Object(values));
        }
        Ok(stored)
    }
}

/// The prompts' store, and every store that the script writes to.
fn store_names(case: &Case) -> BTreeSet<String> {
    let writes = case
        .script
        .values()
        .flatten()
        .filter_map(|action| action["store"].as_array())
        .flatten();
    writes
        .filter_map(|write| write["store"].as_str())
        .chain(["prompts"])
        .map(str::to_owned)
        .collect()
}

/// Replies in order, and the calls that got them.
#[derive(Debug)]
struct Calls {
    replies: Vec<Value>,
    seen: Mutex<Vec<Value>>,
}

impl Calls {
    fn new(replies: &[Value]) -> Self {
        Self {
            replies: replies.to_vec(),
            seen: Mutex::default(),
        }
    }

    /// Notes a call and gives its reply; the last one repeats.
    fn reply(&self, call: Value) -> Value {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(call);
        let reply = self.replies.get(seen.len() - 1);
        reply.or(self.replies.last()).cloned().unwrap_or_default()
    }

    fn seen(&self) -> Vec<Value> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

/// A language model of the case.
#[derive(Debug)]
struct Model(Calls);

#[async_trait]
impl LlmProvider for Model {
    async fn chat(&self, request: ChatRequest) -> Result<ChatResponse, LlmError> {
        let system = request.messages.iter().find_map(|message| match message {
            Message::System { text } => Some(text.clone()),
            _ => None,
        });
        let reply = self.0.reply(json!({
            "prompt": request.last_user_text(),
            "system_prompt": system,
            "temperature": request.temperature.map(number),
            "max_tokens": request.max_tokens,
            "model": request.model,
        }));
        match reply {
            Value::String(text) => Ok(ChatResponse {
                text,
                tool_calls: Vec::new(),
                finish_reason: FinishReason::Stop,
                usage: Usage::default(),
                model: "scripted".to_owned(),
            }),
            fault => Err(LlmError::Server {
                status: 529,
                retry_after: None,
                detail: fault["fail"].as_str().unwrap_or("no reply").to_owned(),
            }),
        }
    }

    fn stream(&self, _: ChatRequest) -> BoxStream<'static, Result<ChatDelta, LlmError>> {
        let detail = "a case's model does not stream".to_owned();
        stream::iter([Err(LlmError::InvalidRequest { detail })]).boxed()
    }
}

/// A number as cases write it: whole ones without a fraction.
fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 1e9 {
        true => json!(value as i64),
        false => json!(value),
    }
}

/// An HTTP service of the case.
#[derive(Debug)]
struct Service(Calls);

#[async_trait]
impl Client for Service {
    async fn request(
        &self,
        method: Method,
        path: &str,
        options: RequestOptions,
    ) -> Result<ClientResponse, EgressError> {
        let key = options
            .headers
            .iter()
            .find(|(name, _)| name == "Idempotency-Key")
            .map(|(_, key)| key.clone());
        let body = match options.body {
            Some(ClientBody::Json(body)) => body,
            _ => Value::Null,
        };
        let query: Map<String, Value> = options
            .query
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let reply = self.0.reply(json!({
            "method": method.as_str(), "path": path, "body": body, "query": query, "key": key,
        }));
        match reply["fail"].as_str() {
            None => {}
            Some("connect") => {
                let detail = "as the case says".to_owned();
                return Err(EgressError::Connect { detail });
            }
            Some(_) => {
                let after = Duration::from_secs(30);
                let sent = Sent::Maybe;
                return Err(EgressError::Timeout { after, sent });
            }
        }
        let headers = reply["headers"].as_object().into_iter().flatten();
        let headers: Vec<(String, String)> = headers
            .filter_map(|(name, value)| {
                Some((name.to_ascii_lowercase(), value.as_str()?.to_owned()))
            })
            .collect();
        let retry_after = headers.iter().find(|(name, _)| name == "retry-after");
        let retry_after = retry_after.and_then(|(_, seconds)| seconds.parse().ok());
        let body = match &reply["body"] {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let status = reply["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok());
        Ok(ClientResponse {
            status: status.unwrap_or(200),
            headers,
            body: body.into_bytes(),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }
}

/// Calls with the keys numbered in the order in which they were first used.
pub(super) fn with_numbered_keys(mut calls: Vec<Value>) -> Vec<Value> {
    let mut keys: Vec<Value> = Vec::new();
    for call in &mut calls {
        let key = call["key"].take();
        if !key.is_null() {
            let known = keys.iter().position(|it| *it == key);
            let place = known.unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            });
            call["key"] = json!(place + 1);
        }
    }
    calls
}

/// Snapshots in memory, whose saves fail when the case says so, and that can be damaged.
pub(super) struct Snapshots {
    inner: MemorySnapshotStore,
    fails: bool,
    damaged: AtomicBool,
}

impl Snapshots {
    pub(super) fn of(case: &Case) -> Self {
        Self {
            inner: MemorySnapshotStore::default(),
            fails: case.faults.iter().any(|fault| fault == "snapshot_save"),
            damaged: AtomicBool::new(false),
        }
    }

    /// From now on what is loaded is not what was saved.
    pub(super) fn damage(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl SnapshotStore for Snapshots {
    async fn save(&self, snapshot: PipelineSnapshot) -> Result<PipelineSnapshot, SnapshotError> {
        match self.fails {
            true => Err(SnapshotError::Unavailable("as the case says".to_owned())),
            false => self.inner.save(snapshot).await,
        }
    }

    async fn load(
        &self,
        tenant: &TenantId,
        snapshot_id: &str,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError> {
        let mut loaded = self.inner.load(tenant, snapshot_id).await?;
        if let Some(snapshot) = loaded
            .as_mut()
            .filter(|_| self.damaged.load(Ordering::Relaxed))
        {
            snapshot.completed_steps.push("damage".to_owned());
            snapshot.verify()?;
        }
        Ok(loaded)
    }

    async fn load_latest(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<PipelineSnapshot>, SnapshotError> {
        self.inner.load_latest(tenant, run).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: SnapshotFilter,
    ) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        self.inner.list(tenant, filter).await
    }

    async fn consume(&self, tenant: &TenantId, snapshot_id: &str) -> Result<bool, SnapshotError> {
        self.inner.consume(tenant, snapshot_id).await
    }

    async fn delete(&self, tenant: &TenantId, snapshot_id: &str) -> Result<bool, SnapshotError> {
        self.inner.delete(tenant, snapshot_id).await
    }
}
