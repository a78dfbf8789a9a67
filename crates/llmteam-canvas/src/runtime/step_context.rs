//! What a handler is handed for one attempt of one activation.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use llmteam_orchestration::call::Caller;
use llmteam_orchestration::llm::LlmProvider;
use llmteam_security::id::{InstanceId, RunId, SegmentId, StepId, TenantId};
use llmteam_security::kv::{KeyCodec, ScopedStore};
use llmteam_security::secret::Secret;
use llmteam_workflow::egress::Client;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::{
    LocalState, ResourceNotFoundError, RuntimeContext, RuntimeContextError, SharedRun, StepInput,
    StepSpec,
};
use crate::canvas::handler::{EffectClass, StepError, effect_key};
use crate::events::{EventEmitter, StepEvent};

/// How a step reaches the run it belongs to; the runner is the one implementation outside tests.
#[async_trait]
pub trait StepLink: Send + Sync {
    /// Records an event of the step.
    fn emit(&self, step: &StepSpec, activation: u32, event: StepEvent);

    /// Whether the run keeps call events (`RunConfig.emit_call_events`).
    fn emits_calls(&self) -> bool {
        false
    }

    /// Records durably that call `n` of this activation is about to be made.
    async fn intent(&self, step: &StepSpec, activation: u32, n: u32) -> Result<(), StepError>;
}

/// State of one activation that outlives its attempts.
#[derive(Debug, Default)]
pub(crate) struct Activation {
    state: Mutex<LocalState>,
    cancelled: AtomicBool,
    cancel: Notify,
}

impl Activation {
    pub(crate) fn with_state(state: LocalState) -> Self {
        Self {
            state: Mutex::new(state),
            ..Self::default()
        }
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.cancel.notify_waiters();
    }

    pub(crate) fn state(&self) -> LocalState {
        self.lock().clone()
    }

    /// The state, of which nothing is left.
    pub(crate) fn take_state(&mut self) -> LocalState {
        let state = self.state.get_mut();
        std::mem::take(state.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LocalState> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One attempt of one activation of a step.
///
/// There is no way from here to another step's input, output, state or context.
pub struct StepContext {
    run: Arc<SharedRun>,
    /// The step's place in the run.
    at: usize,
    activation: u32,
    attempt: u32,
    calls: AtomicU32,
    input: StepInput,
    shared: Arc<Activation>,
}

impl std::fmt::Debug for StepContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepContext")
            .field("run_id", self.run_id())
            .field("step_id", self.step_id())
            .field("activation", &self.activation)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl StepContext {
    pub(crate) fn new(
        run: Arc<SharedRun>,
        at: usize,
        (activation, attempt): (u32, u32),
        input: StepInput,
        shared: Arc<Activation>,
    ) -> Self {
        Self {
            run,
            at,
            activation,
            attempt,
            calls: AtomicU32::new(0),
            input,
            shared,
        }
    }

    /// A context of a run that has this step alone.
    pub(crate) fn linked(
        runtime: RuntimeContext,
        step: Arc<StepSpec>,
        link: Arc<dyn StepLink>,
        attempt: (u32, u32),
        input: StepInput,
        shared: Arc<Activation>,
    ) -> Self {
        let run = SharedRun::new(runtime, Arc::new([step]), link);
        Self::new(Arc::new(run), 0, attempt, input, shared)
    }

    /// A context that belongs to no run: for testing a handler by itself. Events go nowhere.
    pub fn detached(runtime: RuntimeContext, step: StepSpec, input: StepInput) -> Self {
        Self::linked(
            runtime,
            Arc::new(step),
            Arc::new(NoLink),
            (1, 1),
            input,
            Arc::default(),
        )
    }

    /// Resources of the run, by reference.
    pub fn runtime(&self) -> &RuntimeContext {
        &self.run.runtime
    }

    /// The tenant the run belongs to.
    pub fn tenant_id(&self) -> &TenantId {
        self.run.runtime.tenant_id()
    }

    /// The workflow instance.
    pub fn instance_id(&self) -> &InstanceId {
        self.run.runtime.instance_id()
    }

    /// The run.
    pub fn run_id(&self) -> &RunId {
        self.run.runtime.run_id()
    }

    /// The segment that runs; none for a detached context whose runtime names none.
    pub fn segment_id(&self) -> Option<&SegmentId> {
        self.run.runtime.segment_id()
    }

    /// This step.
    pub fn step_id(&self) -> &StepId {
        &self.step().step_id
    }

    /// This step's type, configuration and ports.
    pub fn step(&self) -> &StepSpec {
        &self.run.steps[self.at]
    }

    /// The step's `config` object as the segment writes it.
    pub fn config(&self) -> &Map<String, Value> {
        &self.step().config
    }

    /// What this activation received.
    pub fn input(&self) -> &StepInput {
        &self.input
    }

    /// Which activation of the step in this run, from 1.
    pub fn activation(&self) -> u32 {
        self.activation
    }

    /// Which attempt of the activation, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Step-local state of this activation; it outlives attempts, pauses and crashes.
    pub fn get_state(&self, key: &str) -> Option<Value> {
        self.shared.lock().get(key).cloned()
    }

    /// Sets step-local state. It is recorded when the attempt ends.
    pub fn set_state(&self, key: impl Into<String>, value: Value) {
        self.shared.lock().insert(key, value);
    }

    /// Forgets all step-local state.
    pub fn clear_state(&self) {
        *self.shared.lock() = LocalState::default();
    }

    /// Resolves when the attempt is to stop.
    pub async fn cancelled(&self) {
        let notified = self.shared.cancel.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if !self.shared.cancelled.load(Ordering::Acquire) {
            notified.await;
        }
    }

    /// A part of the store of this name that belongs to the workflow instance alone.
    ///
    /// # Errors
    /// No store is registered under the name.
    pub fn get_store(&self, id: &str) -> Result<ScopedStore, ResourceNotFoundError> {
        let scope = KeyCodec::instance(self.tenant_id(), self.instance_id());
        Ok(ScopedStore::new(self.run.runtime.resolve_store(id)?, scope))
    }

    /// A part of the store of this name that all instances of the tenant share.
    ///
    /// # Errors
    /// No store is registered under the name.
    pub fn get_tenant_store(&self, id: &str) -> Result<ScopedStore, ResourceNotFoundError> {
        let scope = KeyCodec::tenant(self.tenant_id());
        Ok(ScopedStore::new(self.run.runtime.resolve_store(id)?, scope))
    }

    /// The HTTP client of this name.
    ///
    /// # Errors
    /// No client is registered under the name.
    pub fn get_client(&self, id: &str) -> Result<Arc<dyn Client>, ResourceNotFoundError> {
        self.run.runtime.resolve_client(id)
    }

    /// The language model of this name.
    ///
    /// # Errors
    /// No model is registered under the name.
    pub fn get_llm(&self, id: &str) -> Result<Arc<dyn LlmProvider>, ResourceNotFoundError> {
        self.run.runtime.resolve_llm(id)
    }

    /// The value of a secret of the run's tenant.
    ///
    /// # Errors
    /// No provider is configured, it knows no such secret, or it refuses it.
    pub async fn get_secret(&self, id: &str) -> Result<Secret, RuntimeContextError> {
        self.run.runtime.resolve_secret(id).await
    }

    /// Who calls out, for stand-ins that answer by it.
    pub fn caller(&self) -> Caller {
        Caller::new(self.step_id().clone()).at(self.activation, self.attempt)
    }

    /// Records events of this step by name.
    pub fn emitter(&self) -> EventEmitter<'_> {
        EventEmitter::new(self)
    }

    /// Records an event of this step.
    ///
    /// How the run and its steps fare is not a handler's to say: such an event is dropped and logged.
    /// Call events are dropped unless the run keeps them.
    pub fn emit(&self, event: StepEvent) {
        if event.event_type.is_lifecycle() {
            tracing::warn!(step = %self.step_id(), event = %event.event_type, "not an event of a handler");
        } else if !event.event_type.is_call() || self.emits_calls() {
            self.run.link.emit(self.step(), self.activation, event);
        }
    }

    /// Whether the run keeps call events; without them they need not be built.
    pub fn emits_calls(&self) -> bool {
        self.run.link.emits_calls()
    }

    /// Opens the next outside call of this attempt and returns its idempotency key.
    ///
    /// For [`EffectClass::AtMostOnce`] an intent is committed first, so that a crash after it is seen.
    ///
    /// # Errors
    /// The intent could not be recorded; the call must not be made.
    pub async fn begin_effect(&self, class: EffectClass) -> Result<String, StepError> {
        let n = self.calls.fetch_add(1, Ordering::Relaxed);
        if class == EffectClass::AtMostOnce {
            self.run
                .link
                .intent(self.step(), self.activation, n)
                .await?;
        }
        Ok(effect_key(
            self.tenant_id(),
            self.run_id(),
            self.step_id(),
            self.activation,
            n,
        ))
    }
}

/// The link of a context that belongs to no run.
struct NoLink;

#[async_trait]
impl StepLink for NoLink {
    fn emit(&self, _: &StepSpec, _: u32, _: StepEvent) {}

    async fn intent(&self, _: &StepSpec, _: u32, _: u32) -> Result<(), StepError> {
        Ok(())
    }
}
