//! What a context shows, to whom: a world of two tenants that all cases share.

mod behaviours;
mod canary;
mod defects;
mod properties;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    context::{
        AccessOutcome, Lineage, MemoryAccessLog, SealedData, Viewer, ViewerRole, VisibilityLevel,
        crypto::{MemoryDekStore, MemoryKeyLog, MemoryKeys, Vault},
    },
    id::{AgentId, TenantId},
};

fn id(text: &str) -> AgentId {
    text.parse().unwrap()
}

fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

/// Tenant `t`: `group` over `pipe` over `agent` and `peer`; `stranger` and `ops` (system) beside them.
/// Tenant `u`: `pipe` over nobody.
struct World {
    lineage: Lineage,
    group: OwnerToken,
    pipe: OwnerToken,
    agent: OwnerToken,
    peer: OwnerToken,
    stranger: OwnerToken,
    ops: OwnerToken,
    foreign: OwnerToken,
    clock: Arc<ManualClock>,
    log: Arc<MemoryAccessLog>,
}

impl World {
    fn new() -> Self {
        use ViewerRole as R;
        let lineage = Lineage::new();
        let add = |tenant_id: &str, name: &str, role, parent: Option<&str>| {
            let parent = parent.map(id);
            let added = lineage.add(&tenant(tenant_id), &id(name), role, parent.as_ref());
            added.unwrap()
        };
        Self {
            group: add("t", "group", R::GroupOrch, None),
            pipe: add("t", "pipe", R::PipelineOrch, Some("group")),
            agent: add("t", "agent", R::Agent, Some("pipe")),
            peer: add("t", "peer", R::Agent, Some("pipe")),
            stranger: add("t", "stranger", R::PipelineOrch, None),
            ops: add("t", "ops", R::System, None),
            foreign: add("u", "pipe", R::PipelineOrch, None),
            lineage,
            clock: Arc::new(ManualClock::new(Timestamp::from_micros(1_000))),
            log: Arc::new(MemoryAccessLog::new()),
        }
    }

    fn viewer(&self, token: &OwnerToken) -> Viewer {
        self.lineage.viewer(token).unwrap()
    }

    /// Everybody but the owner.
    fn others(&self) -> [&OwnerToken; 6] {
        let Self {
            group,
            pipe,
            peer,
            stranger,
            ops,
            foreign,
            ..
        } = self;
        [group, pipe, peer, stranger, ops, foreign]
    }

    fn services(&self) -> ContextServices {
        ContextServices::new(self.clock.clone()).with_log(self.log.clone())
    }

    async fn key(&self, run: &str) -> Arc<RunKey> {
        key_of("t", run, self.clock.clone()).await
    }

    fn context(&self, policy: ContextAccessPolicy) -> SecureAgentContext {
        create_secure_context(&self.agent, "Agent A", policy, self.services()).unwrap()
    }

    fn of_sensitivity(&self, sensitivity: SensitivityLevel) -> SecureAgentContext {
        self.context(ContextAccessPolicy::with_sensitivity(sensitivity))
    }

    /// The view of the holder of `token`, as JSON.
    async fn view(&self, context: &SecureAgentContext, token: &OwnerToken) -> Value {
        let view = context.get_visible_context(&self.viewer(token)).await;
        Value::Object(view.unwrap().to_dict())
    }
}

async fn key_of(tenant_id: &str, run: &str, clock: Arc<dyn Clock>) -> Arc<RunKey> {
    let (keys, store) = (MemoryKeys::new(), MemoryDekStore::new());
    keys.create(&tenant(tenant_id)).unwrap();
    let log = Arc::new(MemoryKeyLog::new());
    let vault = Vault::new(Arc::new(keys), Arc::new(store), log, clock);
    vault
        .run_key(&tenant(tenant_id), &run.parse().unwrap())
        .await
        .unwrap()
}

fn code<T>(result: Result<T, ContextAccessError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}
