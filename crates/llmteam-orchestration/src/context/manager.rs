//! The contexts of one tenant: making, moving, removing, propagating.
//!
//! Invariant: an operation happens whole or not at all, and no two happen at once; none waits while it holds the
//! lock. The lineage and the trees say the same of who stands where, since nobody else has either.
//! This module is the host's: agents and orchestrators are handed their [`OwnContext`] and not the manager.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use llmteam_security::{
    AgentId, Clock, TenantId,
    context::{AccessLog, AdminCapability, Lineage, LineageError, OwnerToken, Viewer, ViewerRole},
};

use super::{
    error::ContextError,
    forest::{Forest, Reach},
    hierarchical::HierarchicalContext,
    own::OwnContext,
    propagation::ContextPropagationConfig,
    route::hold,
    scope::ContextScope,
    view::ChildView,
};

/// The contexts of one tenant, with the lineage of who may look at whom.
#[derive(Debug)]
pub struct ContextManager {
    shared: Arc<Shared>,
}

/// What the manager and the owners' contexts have in common.
pub(super) struct Shared {
    tenant: TenantId,
    config: ContextPropagationConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Option<Arc<dyn AccessLog>>,
    pub(super) unrecorded: AtomicU64,
    lineage: Lineage,
    forest: Mutex<Forest>,
}

impl Shared {
    pub(super) fn forest(&self) -> MutexGuard<'_, Forest> {
        self.forest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ContextManager {
    /// A manager without contexts. `config` holds for its life. Attempts on contexts are recorded in `log`; secure
    /// contexts have their own.
    pub fn new(
        tenant: TenantId,
        config: ContextPropagationConfig,
        clock: Arc<dyn Clock>,
        log: Option<Arc<dyn AccessLog>>,
    ) -> Self {
        let shared = Shared {
            tenant,
            config,
            clock,
            log,
            unrecorded: AtomicU64::new(0),
            lineage: Lineage::new(),
            forest: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Which fields travel, and how.
    pub fn propagation_config(&self) -> &ContextPropagationConfig {
        &self.shared.config
    }

    /// Makes a context under `parent_id`, or at the top. What is returned is its owner's, and given out once.
    ///
    /// # Errors
    /// [`ContextError::Duplicate`], [`ContextError::UnknownParent`], [`ContextError::ScopeOrder`],
    /// [`ContextError::Lineage`] if a system viewer has the name.
    pub fn create_context(
        &self,
        scope: ContextScope,
        owner_id: AgentId,
        parent_id: Option<&AgentId>,
    ) -> Result<OwnContext, ContextError> {
        let Shared {
            tenant, lineage, ..
        } = &*self.shared;
        let now = self.shared.clock.now();
        let mut forest = self.shared.forest();
        if forest.place(&owner_id).is_ok() {
            return Err(ContextError::Duplicate { owner_id });
        }
        let context = HierarchicalContext::new(scope, owner_id.clone(), now);
        forest.has_room(&context, parent_id)?;
        let token = lineage.add(tenant, &owner_id, scope.role(), parent_id)?;
        let viewer = Arc::new(lineage.viewer(&token)?);
        let subject = token.subject().clone();
        forest.plant(context, parent_id, subject, viewer.clone(), now);
        Ok(OwnContext::new(token, viewer, self.shared.clone()))
    }

    /// Puts a context, with all under it, under `parent_id` or at the top. What it contributed where it was is
    /// retracted, on every level above; where it comes to, it contributes when it is propagated.
    ///
    /// # Errors
    /// [`ContextError::Unknown`], [`ContextError::UnknownParent`], [`ContextError::ScopeOrder`].
    pub fn move_context(
        &self,
        owner_id: &AgentId,
        parent_id: Option<&AgentId>,
    ) -> Result<(), ContextError> {
        let Shared {
            tenant, lineage, ..
        } = &*self.shared;
        let now = self.shared.clock.now();
        let mut forest = self.shared.forest();
        let unknown = || ContextError::Unknown {
            owner_id: owner_id.clone(),
        };
        let context = forest.get(owner_id).ok_or_else(unknown)?;
        if context.parent_id() == parent_id {
            return Ok(());
        }
        forest.has_room(context, parent_id)?;
        lineage.move_to(tenant, owner_id, parent_id)?;
        let context = forest.detach(owner_id, now).ok_or_else(unknown)?;
        forest.attach(context, parent_id, now);
        Ok(())
    }

    /// Removes a context with all under it, and what it contributed on every level above; `None` if there is none.
    /// Viewers and owners of what was removed see nothing from now on.
    ///
    /// # Errors
    /// [`ContextError::Lineage`].
    pub fn remove_context(
        &self,
        owner_id: &AgentId,
    ) -> Result<Option<HierarchicalContext>, ContextError> {
        let Shared {
            tenant, lineage, ..
        } = &*self.shared;
        let now = self.shared.clock.now();
        let mut forest = self.shared.forest();
        let Some(gone) = forest.detach(owner_id, now) else {
            return Ok(None);
        };
        for owner in gone.owners() {
            forest.forget(owner);
            lineage.remove(tenant, owner)?;
        }
        Ok(Some(gone))
    }

    /// A copy of a context, with all under it. Does not count as looking at it.
    pub fn get_context(&self, owner_id: &AgentId) -> Option<HierarchicalContext> {
        self.shared.forest().get(owner_id).cloned()
    }

    /// Copies of all contexts by their owners, each with all under it.
    pub fn get_all_contexts(&self) -> BTreeMap<AgentId, HierarchicalContext> {
        let forest = self.shared.forest();
        let copied = |id: &AgentId| Some((id.clone(), forest.get(id)?.clone()));
        forest.owners().filter_map(copied).collect()
    }

    /// Copies of the contexts that stand under nobody, in the order of their owners.
    pub fn get_root_contexts(&self) -> Vec<HierarchicalContext> {
        self.shared.forest().roots().cloned().collect()
    }

    /// Has a context contribute to its parent what it holds now, in place of what it contributed before; whether
    /// that changed anything. At the top nothing happens.
    ///
    /// A parent that could not see a value if it asked is contributed none, and its asking is recorded.
    ///
    /// # Errors
    /// [`ContextError::Unknown`]; [`ContextError::Propagation`] with every value that does not fit its rule;
    /// [`ContextError::Access`] if an attempt had to be recorded and could not be. Nothing has changed then.
    pub async fn propagate_up(&self, child_id: &AgentId) -> Result<bool, ContextError> {
        self.propagate(child_id, Reach::Parent).await
    }

    /// As [`Self::propagate_up`] on every level up to the top, as one.
    ///
    /// # Errors
    /// As for [`Self::propagate_up`].
    pub async fn propagate_to_root(&self, child_id: &AgentId) -> Result<bool, ContextError> {
        self.propagate(child_id, Reach::Root).await
    }

    async fn propagate(&self, child_id: &AgentId, reach: Reach) -> Result<bool, ContextError> {
        let Shared { config, clock, .. } = &*self.shared;
        loop {
            let route = self.shared.forest().route(child_id, reach)?;
            let mut held = Vec::with_capacity(route.len());
            let mut hops = Vec::with_capacity(route.len());
            for hop in route {
                let secure = hold(hop.secure.as_ref()).await;
                let report = hop.ask(&secure, config).await?;
                held.push(secure);
                hops.push((hop, report));
            }
            let mut forest = self.shared.forest();
            let now = forest.route(child_id, reach)?;
            let is_same = now.len() == hops.len()
                && now
                    .iter()
                    .zip(&hops)
                    .all(|(now, (hop, _))| now.is_same(hop));
            // Somebody moved while the secure contexts were asked: others are to be asked.
            if is_same {
                return forest.propagate(config, hops, clock.now());
            }
        }
    }

    /// Copies the configured fields of a context over the values of those directly under it; whether that changed
    /// anything. What its secure context seals, or leaves to its owner, stays.
    ///
    /// # Errors
    /// [`ContextError::Unknown`].
    pub async fn propagate_down(&self, parent_id: &AgentId) -> Result<bool, ContextError> {
        let Shared { config, clock, .. } = &*self.shared;
        loop {
            let secure = self.shared.forest().place(parent_id)?.secure.clone();
            let held = hold(secure.as_ref()).await;
            let fields: Vec<_> = config
                .propagate_down()
                .iter()
                .map(String::as_str)
                .filter(|field| held.as_ref().is_none_or(|it| it.lets_out(field)))
                .collect();
            let mut forest = self.shared.forest();
            let now = forest.place(parent_id)?.secure.as_ref();
            if now.map(Arc::as_ptr) == secure.as_ref().map(Arc::as_ptr) {
                let parent = forest.get_mut(parent_id);
                return Ok(parent.is_some_and(|it| it.hand_down(&fields, clock.now())));
            }
        }
    }

    /// What `viewer` may see of those directly under `parent_id`. The viewer is the parent's, of somebody above it,
    /// or of a system; a child whose secure context refuses it is there, denied.
    ///
    /// Counts in the parent's [`access_count`](HierarchicalContext::access_count), unless the viewer is refused as a
    /// whole.
    ///
    /// # Errors
    /// [`ContextError::Unknown`]; [`ContextError::Denied`] for everybody else, agents always;
    /// [`ContextError::Access`] if an attempt had to be recorded and could not be.
    pub async fn get_visible_children(
        &self,
        parent_id: &AgentId,
        viewer: &Viewer,
    ) -> Result<BTreeMap<AgentId, ChildView>, ContextError> {
        self.shared.visible_children(parent_id, viewer).await
    }

    /// Admits somebody who serves the tenant as a whole and stands under nobody.
    ///
    /// # Errors
    /// [`ContextError::Lineage`] if the name is taken.
    pub fn create_system(&self, id: &AgentId) -> Result<OwnerToken, ContextError> {
        let Shared {
            tenant, lineage, ..
        } = &*self.shared;
        Ok(lineage.add(tenant, id, ViewerRole::System, None)?)
    }

    /// Removes somebody whom [`Self::create_system`] admitted.
    ///
    /// # Errors
    /// [`ContextError::Lineage`] if there is no system of that name.
    pub fn remove_system(&self, id: &AgentId) -> Result<(), ContextError> {
        let Shared {
            tenant, lineage, ..
        } = &*self.shared;
        if lineage.role(tenant, id)? != ViewerRole::System {
            let agent = id.clone();
            return Err(LineageError::NotSystem { agent }.into());
        }
        Ok(lineage.remove(tenant, id)?)
    }

    /// The right to look, for the holder of a token of this manager.
    ///
    /// # Errors
    /// [`ContextError::Lineage`] if the token is of another manager or of somebody who was removed.
    pub fn viewer(&self, token: &OwnerToken) -> Result<Viewer, ContextError> {
        Ok(self.shared.lineage.viewer(token)?)
    }

    /// The right of a system to see what is confidential, for a reason that is recorded at each use.
    ///
    /// # Errors
    /// [`ContextError::Lineage`] if the token is of no system, or there is no reason.
    pub fn administration(
        &self,
        token: &OwnerToken,
        reason: &str,
    ) -> Result<AdminCapability, ContextError> {
        Ok(self.shared.lineage.administration(token, reason)?)
    }

    /// How many attempts on contexts without a secure context went by unrecorded because the log failed.
    pub fn unrecorded_attempts(&self) -> u64 {
        self.shared.unrecorded.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("tenant", &self.tenant)
            .field("contexts", &self.forest().owners().count())
            .finish_non_exhaustive()
    }
}
