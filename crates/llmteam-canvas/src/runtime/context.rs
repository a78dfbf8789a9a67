//! The one point through which a run reaches what lives outside its segment.
//!
//! Invariant: a context never changes; `copy` makes another one. Registries are shared by handle.
//! It holds no secret value: secrets are asked for at the moment of use.

use std::fmt;
use std::sync::{Arc, OnceLock};

use llmteam_orchestration::llm::LlmProvider;
use llmteam_security::clock::{Clock, Timestamp};
use llmteam_security::id::{InstanceId, RunId, SegmentId, StepId, TenantId};
use llmteam_security::kv::KeyValueStore;
use llmteam_security::principal::Principal;
use llmteam_security::secret::{Secret, SecretError, SecretsProvider};
use llmteam_workflow::egress::Client;
use serde_json::{Map, Value, json};

use super::error::{ResourceNotFoundError, RuntimeContextError, SecretAccessDeniedError};
use super::hooks::Hooks;
use super::{ClientRegistry, LLMRegistry, StepContext, StepInput, StepSpec, StoreRegistry};
use crate::events::WorktrailEvent;

/// Identity and resources of one run. Cloning is cheap.
#[derive(Clone)]
pub struct RuntimeContext(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    tenant_id: TenantId,
    instance_id: InstanceId,
    run_id: RunId,
    segment_id: Option<SegmentId>,
    stores: StoreRegistry,
    clients: ClientRegistry,
    llms: LLMRegistry,
    secrets: Option<Arc<dyn SecretsProvider>>,
    hooks: Hooks,
    clock: Arc<dyn Clock>,
    created_at: Timestamp,
    data: Map<String, Value>,
    principal: Option<Arc<Principal>>,
    run_input: Option<Arc<Value>>,
    run_value: OnceLock<Value>,
}

impl RuntimeContext {
    /// Gathers a context for a run of this tenant.
    ///
    /// Without further calls: a generated run id, the run as its own instance, no resources.
    pub fn builder(tenant_id: TenantId, clock: Arc<dyn Clock>) -> RuntimeContextBuilder {
        RuntimeContextBuilder {
            tenant_id,
            instance_id: None,
            run_id: None,
            segment_id: None,
            stores: StoreRegistry::new(),
            clients: ClientRegistry::new(),
            llms: LLMRegistry::new(),
            secrets: None,
            hooks: Hooks::default(),
            created_at: clock.now(),
            clock,
            data: Map::new(),
            principal: None,
            run_input: None,
        }
    }

    /// Another context: what `change` sets is replaced, everything else is kept, `created_at` included.
    #[must_use]
    pub fn copy(
        &self,
        change: impl FnOnce(RuntimeContextBuilder) -> RuntimeContextBuilder,
    ) -> Self {
        let it = Inner::clone(&self.0);
        change(RuntimeContextBuilder {
            tenant_id: it.tenant_id,
            instance_id: Some(it.instance_id),
            run_id: Some(it.run_id),
            segment_id: it.segment_id,
            stores: it.stores,
            clients: it.clients,
            llms: it.llms,
            secrets: it.secrets,
            hooks: it.hooks,
            clock: it.clock,
            created_at: it.created_at,
            data: it.data,
            principal: it.principal,
            run_input: it.run_input,
        })
        .build()
    }

    /// This context as a runner takes it: for this segment and input, on the runner's clock. A context that
    /// nobody else holds is changed in place.
    #[must_use]
    pub(crate) fn for_run(
        mut self,
        segment_id: SegmentId,
        input: Arc<Value>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.segment_id = Some(segment_id);
        inner.run_input = Some(input);
        inner.clock = clock;
        inner.run_value = OnceLock::new();
        self
    }

    /// The same context for the segment that is run.
    #[must_use]
    pub fn with_segment(&self, segment_id: SegmentId) -> Self {
        self.copy(|it| it.segment_id(segment_id))
    }

    /// The same context with the input the run began with, which expressions know as `run.input`.
    #[must_use]
    pub fn with_run_input(&self, input: Arc<Value>) -> Self {
        self.copy(|it| it.run_input(input))
    }

    /// The tenant the run belongs to.
    pub fn tenant_id(&self) -> &TenantId {
        &self.0.tenant_id
    }

    /// The workflow instance; runs that share one share its state.
    pub fn instance_id(&self) -> &InstanceId {
        &self.0.instance_id
    }

    /// The run.
    pub fn run_id(&self) -> &RunId {
        &self.0.run_id
    }

    /// The segment that runs; none before a runner has taken the context.
    pub fn segment_id(&self) -> Option<&SegmentId> {
        self.0.segment_id.as_ref()
    }

    /// The registered stores.
    pub fn stores(&self) -> &StoreRegistry {
        &self.0.stores
    }

    /// The registered HTTP clients.
    pub fn clients(&self) -> &ClientRegistry {
        &self.0.clients
    }

    /// The registered language models.
    pub fn llms(&self) -> &LLMRegistry {
        &self.0.llms
    }

    /// Where secrets come from.
    pub fn secrets(&self) -> Option<&Arc<dyn SecretsProvider>> {
        self.0.secrets.as_ref()
    }

    /// The run's source of time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// When the context was first built.
    pub fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// On whose word it runs; none: the program's own.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_deref()
    }

    /// What the host handed along.
    pub fn data(&self) -> &Map<String, Value> {
        &self.0.data
    }

    /// The store of this name, as it was registered. Steps get a namespaced handle instead.
    ///
    /// # Errors
    /// Nothing is registered under the name.
    pub fn resolve_store(&self, id: &str) -> Result<Arc<dyn KeyValueStore>, ResourceNotFoundError> {
        self.0.stores.get(id)
    }

    /// The HTTP client of this name.
    ///
    /// # Errors
    /// Nothing is registered under the name.
    pub fn resolve_client(&self, id: &str) -> Result<Arc<dyn Client>, ResourceNotFoundError> {
        self.0.clients.get(id)
    }

    /// The language model of this name.
    ///
    /// # Errors
    /// Nothing is registered under the name.
    pub fn resolve_llm(&self, id: &str) -> Result<Arc<dyn LlmProvider>, ResourceNotFoundError> {
        self.0.llms.get(id)
    }

    /// The value of a secret of this tenant.
    ///
    /// # Errors
    /// No provider is configured, it knows no such secret, or it refuses it.
    pub async fn resolve_secret(&self, id: &str) -> Result<Secret, RuntimeContextError> {
        let provider = self
            .secrets()
            .ok_or_else(ResourceNotFoundError::no_secrets)?;
        provider
            .get_secret(self.tenant_id(), id)
            .await
            .map_err(|error| secret_error(id, error))
    }

    /// A step context that points here but belongs to no run: see [`StepContext::detached`].
    pub fn child_context(&self, step_id: StepId) -> StepContext {
        let spec = StepSpec::new(step_id, String::new(), Map::new(), Vec::new());
        StepContext::detached(
            self.clone(),
            spec,
            StepInput::of_run(Arc::new(Value::Object(Map::new()))),
        )
    }

    /// What expressions know as `run`: `input`, `run_id`, `instance_id`, `tenant_id`, `segment_id`.
    pub fn run_value(&self) -> &Value {
        self.0.run_value.get_or_init(|| {
            json!({
                "input": self.0.run_input,
                "run_id": self.run_id(),
                "instance_id": self.instance_id(),
                "tenant_id": self.tenant_id(),
                "segment_id": self.segment_id(),
            })
        })
    }

    /// Whether a hook waits for events.
    pub fn has_hooks(&self) -> bool {
        self.0.hooks.any()
    }

    /// Calls the hooks for an event. A hook that panics is logged and changes nothing (E-02, X-68).
    pub fn notify(&self, event: &WorktrailEvent) {
        self.0.hooks.call(event);
    }
}

impl fmt::Debug for RuntimeContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeContext")
            .field("tenant_id", &self.0.tenant_id)
            .field("instance_id", &self.0.instance_id)
            .field("run_id", &self.0.run_id)
            .field("segment_id", &self.0.segment_id)
            .field("stores", &self.0.stores)
            .field("clients", &self.0.clients)
            .field("llms", &self.0.llms)
            .finish_non_exhaustive()
    }
}

/// Gathers the parts of a [`RuntimeContext`].
#[must_use]
pub struct RuntimeContextBuilder {
    tenant_id: TenantId,
    instance_id: Option<InstanceId>,
    run_id: Option<RunId>,
    segment_id: Option<SegmentId>,
    stores: StoreRegistry,
    clients: ClientRegistry,
    llms: LLMRegistry,
    secrets: Option<Arc<dyn SecretsProvider>>,
    hooks: Hooks,
    clock: Arc<dyn Clock>,
    created_at: Timestamp,
    data: Map<String, Value>,
    principal: Option<Arc<Principal>>,
    run_input: Option<Arc<Value>>,
}

impl RuntimeContextBuilder {
    /// The tenant.
    pub fn tenant_id(mut self, id: TenantId) -> Self {
        self.tenant_id = id;
        self
    }

    /// The workflow instance; the run itself unless named.
    pub fn instance_id(mut self, id: impl Into<Option<InstanceId>>) -> Self {
        self.instance_id = id.into();
        self
    }

    /// The run; generated unless named.
    pub fn run_id(mut self, id: impl Into<Option<RunId>>) -> Self {
        self.run_id = id.into();
        self
    }

    /// The segment; filled by the runner unless named.
    pub fn segment_id(mut self, id: impl Into<Option<SegmentId>>) -> Self {
        self.segment_id = id.into();
        self
    }

    /// The stores, shared with every holder of the registry.
    pub fn stores(mut self, stores: StoreRegistry) -> Self {
        self.stores = stores;
        self
    }

    /// The HTTP clients, shared with every holder of the registry.
    pub fn clients(mut self, clients: ClientRegistry) -> Self {
        self.clients = clients;
        self
    }

    /// The language models, shared with every holder of the registry.
    pub fn llms(mut self, llms: LLMRegistry) -> Self {
        self.llms = llms;
        self
    }

    /// Where secrets come from.
    pub fn secrets(mut self, secrets: impl Into<Option<Arc<dyn SecretsProvider>>>) -> Self {
        self.secrets = secrets.into();
        self
    }

    /// The source of time.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Called with each step.started.
    pub fn on_step_start(mut self, hook: impl Fn(&WorktrailEvent) + Send + Sync + 'static) -> Self {
        self.hooks.step_start = Some(Arc::new(hook));
        self
    }

    /// Called with each step.completed.
    pub fn on_step_complete(
        mut self,
        hook: impl Fn(&WorktrailEvent) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.step_complete = Some(Arc::new(hook));
        self
    }

    /// Called with each step.failed.
    pub fn on_step_error(mut self, hook: impl Fn(&WorktrailEvent) + Send + Sync + 'static) -> Self {
        self.hooks.step_error = Some(Arc::new(hook));
        self
    }

    /// Called with each event of the run.
    pub fn on_event(mut self, hook: impl Fn(&WorktrailEvent) + Send + Sync + 'static) -> Self {
        self.hooks.event = Some(Arc::new(hook));
        self
    }

    /// On whose word it runs: the audit log names it.
    pub fn principal(mut self, principal: impl Into<Option<Principal>>) -> Self {
        self.principal = principal.into().map(Arc::new);
        self
    }

    /// What the host hands along.
    pub fn data(mut self, data: Map<String, Value>) -> Self {
        self.data = data;
        self
    }

    /// The input the run begins with.
    pub fn run_input(mut self, input: Arc<Value>) -> Self {
        self.run_input = Some(input);
        self
    }

    /// The context.
    pub fn build(self) -> RuntimeContext {
        let run_id = self.run_id.unwrap_or_else(|| RunId::generate(&*self.clock));
        RuntimeContext(Arc::new(Inner {
            tenant_id: self.tenant_id,
            instance_id: self.instance_id.unwrap_or_else(|| run_id.clone().into()),
            run_id,
            segment_id: self.segment_id,
            stores: self.stores,
            clients: self.clients,
            llms: self.llms,
            secrets: self.secrets,
            hooks: self.hooks,
            clock: self.clock,
            created_at: self.created_at,
            data: self.data,
            principal: self.principal,
            run_input: self.run_input,
            run_value: OnceLock::new(),
        }))
    }
}

/// A secret's error as the runtime speaks of it.
fn secret_error(id: &str, error: SecretError) -> RuntimeContextError {
    match error {
        SecretError::NotFound(_) => ResourceNotFoundError::new("Secret", id).into(),
        SecretError::Denied(_) => SecretAccessDeniedError {
            secret: id.to_owned(),
        }
        .into(),
        SecretError::Unavailable { reason, .. } => RuntimeContextError::SecretUnavailable {
            secret: id.to_owned(),
            detail: reason,
        },
    }
}
