//! Who stands above whom.
//!
//! Invariant: a forest per tenant. A link never leaves its tenant, never closes a circle, and ends above at an
//! orchestrator. It holds ids and links and no data of anybody.
//! This module does not know contexts. Whoever owns the lineage decides who is handed a [`Viewer`].

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use super::{
    error::LineageError,
    owner::{NodeId, OwnerToken, OwnerVerifier, Subject},
    role::ViewerRole,
    viewer::{AdminCapability, Viewer},
};
use crate::id::{AgentId, TenantId};

/// The hierarchy of agents and orchestrators of many tenants.
///
/// Its owner alone admits, moves and removes nodes and turns tokens into viewers; it is not `Clone` so that this
/// stays in one hand.
#[derive(Default)]
pub struct Lineage {
    links: Links,
}

/// What viewers keep of a lineage: they can look standings up and nothing else.
#[derive(Clone, Default)]
pub(super) struct Links(Arc<RwLock<Forest>>);

#[derive(Default)]
struct Forest {
    nodes: BTreeMap<NodeId, Node>,
    names: BTreeMap<(TenantId, AgentId), NodeId>,
}

struct Node {
    tenant: TenantId,
    agent: AgentId,
    role: ViewerRole,
    parent: Option<NodeId>,
    children: usize,
    owner: OwnerVerifier,
}

impl Lineage {
    /// A lineage without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Admits `agent` under `parent`, or at the top. The token is given out here and never again.
    ///
    /// # Errors
    /// [`LineageError::Duplicate`], [`LineageError::Unknown`] for the parent, [`LineageError::NotAnOrchestrator`],
    /// [`LineageError::SystemStandsAlone`], [`LineageError::Random`].
    pub fn add(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        role: ViewerRole,
        parent: Option<&AgentId>,
    ) -> Result<OwnerToken, LineageError> {
        let id = NodeId::random()?;
        let token = OwnerToken::issue(Subject::new(tenant.clone(), agent.clone(), id))?;
        let mut forest = self.links.0.write().unwrap_or_else(PoisonError::into_inner);
        let name = (tenant.clone(), agent.clone());
        if forest.names.contains_key(&name) {
            let (tenant, agent) = name;
            return Err(LineageError::Duplicate { tenant, agent });
        }
        let parent = forest.parent_for(role, tenant, agent, parent)?;
        let node = Node {
            tenant: tenant.clone(),
            agent: agent.clone(),
            role,
            parent: None,
            children: 0,
            owner: token.verifier(),
        };
        forest.nodes.insert(id, node);
        forest.names.insert(name, id);
        forest.link(id, parent);
        Ok(token)
    }

    /// Puts `agent`, with all that stands under it, under `parent` or at the top.
    ///
    /// # Errors
    /// As for [`Self::add`], and [`LineageError::Cycle`].
    pub fn move_to(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        parent: Option<&AgentId>,
    ) -> Result<(), LineageError> {
        let mut forest = self.links.0.write().unwrap_or_else(PoisonError::into_inner);
        let id = forest.find(tenant, agent)?;
        let role = forest
            .nodes
            .get(&id)
            .map_or(ViewerRole::Agent, |it| it.role);
        let goal = forest.parent_for(role, tenant, agent, parent)?;
        if let (Some(goal), Some(parent)) = (goal, parent)
            && (goal == id || forest.distance(id, goal).is_some())
        {
            let (agent, parent) = (agent.clone(), parent.clone());
            return Err(LineageError::Cycle { agent, parent });
        }
        forest.link(id, goal);
        Ok(())
    }

    /// Removes `agent`. Its viewers see nothing from now on; its token still opens its own context.
    ///
    /// # Errors
    /// [`LineageError::Unknown`], [`LineageError::HasChildren`].
    pub fn remove(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), LineageError> {
        let mut forest = self.links.0.write().unwrap_or_else(PoisonError::into_inner);
        let id = forest.find(tenant, agent)?;
        let children = forest.nodes.get(&id).map_or(0, |node| node.children);
        if children > 0 {
            let agent = agent.clone();
            return Err(LineageError::HasChildren { agent, children });
        }
        forest.link(id, None);
        forest.nodes.remove(&id);
        forest.names.remove(&(tenant.clone(), agent.clone()));
        Ok(())
    }

    /// The right to look as the node of `token`.
    ///
    /// # Errors
    /// [`LineageError::ForeignToken`] if the token is of another lineage or of a node that was removed.
    pub fn viewer(&self, token: &OwnerToken) -> Result<Viewer, LineageError> {
        let forest = self.links.read();
        let node = forest.owned(token)?;
        Ok(Viewer {
            links: self.links.clone(),
            subject: token.subject().clone(),
            role: node.role,
        })
    }

    /// The right of a system node to see what is confidential, for `reason`.
    ///
    /// # Errors
    /// [`LineageError::ForeignToken`], [`LineageError::NotSystem`], [`LineageError::ReasonRequired`].
    pub fn administration(
        &self,
        token: &OwnerToken,
        reason: &str,
    ) -> Result<AdminCapability, LineageError> {
        let forest = self.links.read();
        if forest.owned(token)?.role != ViewerRole::System {
            let agent = token.subject().agent().clone();
            return Err(LineageError::NotSystem { agent });
        }
        let limit = AdminCapability::MAX_REASON;
        if reason.trim().is_empty() || reason.len() > limit {
            return Err(LineageError::ReasonRequired { limit });
        }
        Ok(AdminCapability {
            node: token.subject().node,
            reason: reason.to_owned(),
        })
    }

    /// Who stands directly above `agent`.
    ///
    /// # Errors
    /// [`LineageError::Unknown`].
    pub fn parent(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
    ) -> Result<Option<AgentId>, LineageError> {
        let forest = self.links.read();
        let id = forest.find(tenant, agent)?;
        let above = forest.above(id).next().and_then(|id| forest.nodes.get(&id));
        Ok(above.map(|node| node.agent.clone()))
    }

    /// Who stands directly under `agent`, in the order of their ids.
    ///
    /// # Errors
    /// [`LineageError::Unknown`].
    pub fn children(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
    ) -> Result<Vec<AgentId>, LineageError> {
        let forest = self.links.read();
        let id = forest.find(tenant, agent)?;
        let under = forest.nodes.values().filter(|node| node.parent == Some(id));
        let mut children: Vec<_> = under.map(|node| node.agent.clone()).collect();
        children.sort_unstable();
        Ok(children)
    }

    /// The part `agent` plays.
    ///
    /// # Errors
    /// [`LineageError::Unknown`].
    pub fn role(&self, tenant: &TenantId, agent: &AgentId) -> Result<ViewerRole, LineageError> {
        let forest = self.links.read();
        let id = forest.find(tenant, agent)?;
        Ok(forest
            .nodes
            .get(&id)
            .map_or(ViewerRole::Agent, |it| it.role))
    }
}

impl Links {
    fn read(&self) -> RwLockReadGuard<'_, Forest> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many links up `upper` stands from `lower`, at least one; `None` if it is not above it, or either is gone.
    pub(super) fn distance(&self, upper: NodeId, lower: NodeId) -> Option<usize> {
        self.read().distance(upper, lower)
    }

    /// Whether both are there, differ, and are of one tenant.
    pub(super) fn are_neighbours(&self, one: NodeId, other: NodeId) -> bool {
        let forest = self.read();
        let tenant = |id| forest.nodes.get(&id).map(|node| &node.tenant);
        one != other && tenant(one).is_some() && tenant(one) == tenant(other)
    }
}

impl Forest {
    fn find(&self, tenant: &TenantId, agent: &AgentId) -> Result<NodeId, LineageError> {
        let name = (tenant.clone(), agent.clone());
        self.names.get(&name).copied().ok_or_else(|| {
            let (tenant, agent) = name;
            LineageError::Unknown { tenant, agent }
        })
    }

    fn owned(&self, token: &OwnerToken) -> Result<&Node, LineageError> {
        let node = self.nodes.get(&token.subject().node);
        let owned = node.filter(|node| node.owner.accepts(token));
        owned.ok_or_else(|| LineageError::ForeignToken {
            agent: token.subject().agent().clone(),
        })
    }

    /// The node that `agent` is to stand under. Looked up in the agent's own tenant: another's cannot be named.
    fn parent_for(
        &self,
        role: ViewerRole,
        tenant: &TenantId,
        agent: &AgentId,
        parent: Option<&AgentId>,
    ) -> Result<Option<NodeId>, LineageError> {
        let Some(parent) = parent else {
            return Ok(None);
        };
        if role == ViewerRole::System {
            let agent = agent.clone();
            return Err(LineageError::SystemStandsAlone { agent });
        }
        let id = self.find(tenant, parent)?;
        let directs = self
            .nodes
            .get(&id)
            .is_some_and(|it| it.role.is_orchestrator());
        if directs {
            Ok(Some(id))
        } else {
            let agent = parent.clone();
            Err(LineageError::NotAnOrchestrator { agent })
        }
    }

    /// Makes `parent` the one above `id`, in place of who was.
    fn link(&mut self, id: NodeId, parent: Option<NodeId>) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut node.parent, parent);
        if let Some(before) = before.and_then(|id| self.nodes.get_mut(&id)) {
            before.children -= 1;
        }
        if let Some(after) = parent.and_then(|id| self.nodes.get_mut(&id)) {
            after.children += 1;
        }
    }

    fn above(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let parent = |id: &NodeId| self.nodes.get(id).and_then(|node| node.parent);
        std::iter::successors(parent(&id), move |id| parent(id))
    }

    fn distance(&self, upper: NodeId, lower: NodeId) -> Option<usize> {
        let position = self.above(lower).position(|id| id == upper)?;
        Some(position + 1)
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lineage")
            .field("nodes", &self.links.read().nodes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
