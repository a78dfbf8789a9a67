//! Hierarchies of contexts: a manager of tenant `t`, with a log, that all cases share.

mod behaviours;
mod canary;
mod concurrency;
mod defects;
mod properties;
mod visibility;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use llmteam_security::{
    AgentId, ManualClock, TenantId, Timestamp,
    context::{
        AccessAttempt, ContextAccessPolicy, ContextServices, MemoryAccessLog, SecureAgentContext,
        SensitivityLevel, create_secure_context,
    },
};
use serde_json::{Value, json};

use super::*;

fn id(text: &str) -> AgentId {
    text.parse().unwrap()
}

fn tenant() -> TenantId {
    "t".parse().unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// A manager and the contexts it handed out, by name.
struct World {
    manager: ContextManager,
    own: BTreeMap<String, OwnContext>,
    clock: Arc<ManualClock>,
    log: Arc<MemoryAccessLog>,
}

impl World {
    fn new() -> Self {
        Self::with_config(ContextPropagationConfig::default())
    }

    fn with_config(config: ContextPropagationConfig) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000)));
        let log = Arc::new(MemoryAccessLog::new());
        let manager = ContextManager::new(tenant(), config, clock.clone(), Some(log.clone()));
        Self {
            manager,
            own: BTreeMap::new(),
            clock,
            log,
        }
    }

    /// `group` over `pipe` over `a1` and `a2`.
    fn with_agents() -> Self {
        let mut world = Self::new();
        world.add(ContextScope::Group, "group", None).unwrap();
        world
            .add(ContextScope::Pipeline, "pipe", Some("group"))
            .unwrap();
        for agent in ["a1", "a2"] {
            world.add(ContextScope::Agent, agent, Some("pipe")).unwrap();
        }
        world
    }

    fn add(
        &mut self,
        scope: ContextScope,
        name: &str,
        parent: Option<&str>,
    ) -> Result<(), ContextError> {
        let parent = parent.map(id);
        let own = self
            .manager
            .create_context(scope, id(name), parent.as_ref())?;
        self.own.insert(name.to_owned(), own);
        Ok(())
    }

    fn own(&self, name: &str) -> &OwnContext {
        &self.own[name]
    }

    fn set(&self, name: &str, field: &str, value: Value) {
        self.own(name).set_data(field, value).unwrap();
    }

    async fn up(&self, name: &str) -> bool {
        self.manager.propagate_up(&id(name)).await.unwrap()
    }

    async fn to_root(&self, name: &str) -> bool {
        self.manager.propagate_to_root(&id(name)).await.unwrap()
    }

    async fn down(&self, name: &str) -> bool {
        self.manager.propagate_down(&id(name)).await.unwrap()
    }

    fn data(&self, name: &str, field: &str) -> Option<Value> {
        let context = self.manager.get_context(&id(name)).unwrap();
        context.get_data(field).cloned()
    }

    fn policy(sensitivity: SensitivityLevel) -> ContextAccessPolicy {
        ContextAccessPolicy::with_sensitivity(sensitivity)
    }

    fn secured(&self, name: &str, policy: ContextAccessPolicy) -> SecureAgentContext {
        let services = ContextServices::new(self.clock.clone()).with_log(self.log.clone());
        create_secure_context(self.own(name).token(), name, policy, services).unwrap()
    }

    fn secure(&self, name: &str, policy: ContextAccessPolicy) -> SharedSecureContext {
        let secure = self.secured(name, policy);
        self.own(name).attach_secure_context(secure).unwrap()
    }

    /// The records of attempts on the context of that name.
    fn attempts_on(&self, name: &str) -> Vec<AccessAttempt> {
        let mut attempts = self.log.attempts();
        attempts.retain(|it| it.agent == id(name));
        attempts
    }

    async fn later(&self) {
        self.clock.advance(Duration::from_secs(1)).await;
    }
}

/// The views as JSON, by name.
fn shown(views: BTreeMap<AgentId, ChildView>) -> Value {
    serde_json::to_value(views).unwrap()
}
