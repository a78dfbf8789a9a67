//! The factory of runtimes: shared resources, one context per run.

use std::fmt;
use std::sync::Arc;

use llmteam_orchestration::llm::LlmProvider;
use llmteam_security::clock::{Clock, SystemClock};
use llmteam_security::id::{InstanceId, RunId, SegmentId, TenantId};
use llmteam_security::kv::KeyValueStore;
use llmteam_security::secret::SecretsProvider;
use llmteam_workflow::egress::Client;

use super::{ClientRegistry, LLMRegistry, RuntimeContext, RuntimeContextBuilder, StoreRegistry};

/// The older name of [`RuntimeContextManager`].
pub type RuntimeContextFactory = RuntimeContextManager;

/// Owns the resources that all its runtimes share.
pub struct RuntimeContextManager {
    stores: StoreRegistry,
    clients: ClientRegistry,
    llms: LLMRegistry,
    secrets: Option<Arc<dyn SecretsProvider>>,
    clock: Arc<dyn Clock>,
}

impl RuntimeContextManager {
    /// A manager without resources that takes its time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            stores: StoreRegistry::new(),
            clients: ClientRegistry::new(),
            llms: LLMRegistry::new(),
            secrets: None,
            clock,
        }
    }

    /// Adds or replaces a store. Runtimes made before see it too.
    pub fn register_store(&self, name: impl Into<String>, store: Arc<dyn KeyValueStore>) {
        self.stores.register(name, store);
    }

    /// Adds or replaces an HTTP client. Runtimes made before see it too.
    pub fn register_client(&self, name: impl Into<String>, client: Arc<dyn Client>) {
        self.clients.register(name, client);
    }

    /// Adds or replaces a language model. Runtimes made before see it too.
    pub fn register_llm(&self, name: impl Into<String>, llm: Arc<dyn LlmProvider>) {
        self.llms.register(name, llm);
    }

    /// Sets where runtimes made from now on get their secrets.
    pub fn set_secrets_provider(&mut self, secrets: Arc<dyn SecretsProvider>) {
        self.secrets = Some(secrets);
    }

    /// A runtime with the shared resources.
    ///
    /// A missing run id is generated, a missing instance is the run itself, a missing segment is
    /// filled by the runner.
    pub fn create_runtime(
        &self,
        tenant_id: TenantId,
        instance_id: impl Into<Option<InstanceId>>,
        run_id: impl Into<Option<RunId>>,
        segment_id: impl Into<Option<SegmentId>>,
    ) -> RuntimeContext {
        self.builder(tenant_id)
            .instance_id(instance_id)
            .run_id(run_id)
            .segment_id(segment_id)
            .build()
    }

    /// A builder that already holds the shared resources, for hooks and data of one run.
    pub fn builder(&self, tenant_id: TenantId) -> RuntimeContextBuilder {
        RuntimeContext::builder(tenant_id, Arc::clone(&self.clock))
            .stores(self.stores.clone())
            .clients(self.clients.clone())
            .llms(self.llms.clone())
            .secrets(self.secrets.clone())
    }
}

impl Default for RuntimeContextManager {
    /// A manager on the machine's clock.
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl fmt::Debug for RuntimeContextManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeContextManager")
            .field("stores", &self.stores)
            .field("clients", &self.clients)
            .field("llms", &self.llms)
            .field("secrets", &self.secrets.is_some())
            .finish_non_exhaustive()
    }
}
