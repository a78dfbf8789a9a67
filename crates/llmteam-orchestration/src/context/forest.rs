//! The trees that live, and where in them each context stands.
//!
//! Invariant: every context of every tree is listed once, under the parent it has in the tree, and who is listed
//! stands in the lineage at the same place. Everything here happens under one lock and waits for nothing.
//! This module does not know secure contexts' content, nor where viewers come from.

use std::{collections::BTreeMap, sync::Arc};

use llmteam_security::{
    AgentId, Timestamp,
    context::{Subject, Viewer},
};

use super::{
    error::ContextError,
    hierarchical::{HierarchicalContext, Outgoing},
    ledger::Report,
    own::SharedSecureContext,
    propagation::ContextPropagationConfig,
    route::Hop,
};

#[derive(Default)]
pub(super) struct Forest {
    /// By the owner of the context at the top.
    trees: BTreeMap<AgentId, HierarchicalContext>,
    places: BTreeMap<AgentId, Place>,
}

/// What is known of a context besides its tree.
pub(super) struct Place {
    parent: Option<AgentId>,
    pub(super) subject: Subject,
    pub(super) viewer: Arc<Viewer>,
    pub(super) secure: Option<SharedSecureContext>,
}

/// How many levels a propagation goes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Parent,
    Root,
}

impl Forest {
    pub(super) fn place(&self, owner_id: &AgentId) -> Result<&Place, ContextError> {
        let place = self.places.get(owner_id);
        place.ok_or_else(|| ContextError::Unknown {
            owner_id: owner_id.clone(),
        })
    }

    /// The context of `subject`, this admission of it and no other.
    pub(super) fn owned(
        &mut self,
        subject: &Subject,
    ) -> Result<(&mut Place, &mut HierarchicalContext), ContextError> {
        let owner_id = subject.agent();
        let unknown = || ContextError::Unknown {
            owner_id: owner_id.clone(),
        };
        let path = self.path(owner_id);
        let place = self.places.get_mut(owner_id);
        let place = place
            .filter(|it| it.subject == *subject)
            .ok_or_else(unknown)?;
        let (root, below) = path.split_first().ok_or_else(unknown)?;
        let tree = self.trees.get_mut(root).ok_or_else(unknown)?;
        Ok((place, tree.at_mut(below).ok_or_else(unknown)?))
    }

    pub(super) fn get(&self, owner_id: &AgentId) -> Option<&HierarchicalContext> {
        let path = self.path(owner_id);
        let (root, below) = path.split_first()?;
        self.trees.get(root)?.at(below)
    }

    pub(super) fn get_mut(&mut self, owner_id: &AgentId) -> Option<&mut HierarchicalContext> {
        let path = self.path(owner_id);
        let (root, below) = path.split_first()?;
        self.trees.get_mut(root)?.at_mut(below)
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &AgentId> {
        self.places.keys()
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = &HierarchicalContext> {
        self.trees.values()
    }

    /// Whether `context` may come under `parent_id`, or to the top.
    pub(super) fn has_room(
        &self,
        context: &HierarchicalContext,
        parent_id: Option<&AgentId>,
    ) -> Result<(), ContextError> {
        let Some(parent_id) = parent_id else {
            return Ok(());
        };
        match self.get(parent_id) {
            Some(parent) => context.fits_under(parent),
            None => Err(ContextError::UnknownParent {
                owner_id: context.owner_id().clone(),
                parent_id: parent_id.clone(),
            }),
        }
    }

    /// Puts a new context in; there is room for it.
    pub(super) fn plant(
        &mut self,
        context: HierarchicalContext,
        parent_id: Option<&AgentId>,
        subject: Subject,
        viewer: Arc<Viewer>,
        now: Timestamp,
    ) {
        let place = Place {
            parent: None,
            subject,
            viewer,
            secure: None,
        };
        self.places.insert(context.owner_id().clone(), place);
        self.attach(context, parent_id, now);
    }

    /// Puts a listed context, with all under it, under `parent_id` or at the top; there is room for it.
    pub(super) fn attach(
        &mut self,
        context: HierarchicalContext,
        parent_id: Option<&AgentId>,
        now: Timestamp,
    ) {
        if let Some(place) = self.places.get_mut(context.owner_id()) {
            place.parent = parent_id.cloned();
        }
        match parent_id.and_then(|it| self.get_mut(it)) {
            Some(parent) => parent.attach(context, now),
            None => drop(self.trees.insert(context.owner_id().clone(), context)),
        }
    }

    /// Takes a context, with all under it, out of its tree; it stays listed.
    pub(super) fn detach(
        &mut self,
        owner_id: &AgentId,
        now: Timestamp,
    ) -> Option<HierarchicalContext> {
        let path = self.path(owner_id);
        let (root, below) = path.split_first()?;
        if below.is_empty() {
            self.trees.remove(root)
        } else {
            let places = &self.places;
            let may_go_up = |child: &AgentId, field: &str| may_go_up(places, child, field);
            let tree = self.trees.get_mut(root)?;
            let (gone, _) = tree.detach(below, &may_go_up, now)?;
            Some(gone)
        }
    }

    pub(super) fn forget(&mut self, owner_id: &AgentId) {
        self.places.remove(owner_id);
    }

    /// The links that a propagation from `owner_id` goes over, lowest first; none from the top.
    pub(super) fn route(&self, owner_id: &AgentId, reach: Reach) -> Result<Vec<Hop>, ContextError> {
        let mut hops = Vec::new();
        let mut child = self.place(owner_id)?;
        while let Some(parent) = child.parent.as_ref().and_then(|it| self.places.get(it)) {
            hops.push(Hop {
                child: child.subject.clone(),
                secure: child.secure.clone(),
                parent: parent.subject.clone(),
                viewer: parent.viewer.clone(),
            });
            if reach == Reach::Parent {
                break;
            }
            child = parent;
        }
        Ok(hops)
    }

    /// Propagates over `hops`, each with what its parent may learn of its child: all of it, or nothing if any value
    /// does not fit. Whether something changed.
    pub(super) fn propagate(
        &mut self,
        config: &ContextPropagationConfig,
        hops: Vec<(Hop, Report)>,
        now: Timestamp,
    ) -> Result<bool, ContextError> {
        let mut faults = Vec::new();
        let mut steps: Vec<Outgoing> = Vec::new();
        for (hop, report) in &hops {
            let (child, parent) = (hop.child.agent(), hop.parent.agent());
            let (Some(from), Some(to)) = (self.get(child), self.get(parent)) else {
                let owner_id = child.clone();
                return Err(ContextError::Unknown { owner_id });
            };
            let below = hops.iter().zip(&steps).next_back();
            let arriving = below.map(|((hop, _), values)| (hop.child.agent(), values));
            let outgoing = from.outgoing(config, report, arriving, &mut faults);
            to.check(config, &outgoing, &mut faults);
            steps.push(outgoing);
        }
        if !faults.is_empty() {
            return Err(ContextError::Propagation(faults));
        }
        let mut changed = false;
        for ((hop, report), outgoing) in hops.into_iter().zip(steps) {
            let child = hop.child.agent();
            if let Some(from) = self.get_mut(child) {
                from.set_report(report);
            }
            if let Some(to) = self.get_mut(hop.parent.agent()) {
                changed |= to.receive(config, child, &outgoing, now);
            }
        }
        Ok(changed)
    }

    /// The owners from the top of its tree down to `owner_id`; empty if it is not listed.
    fn path(&self, owner_id: &AgentId) -> Vec<AgentId> {
        let listed = |id: &AgentId| self.places.get_key_value(id);
        let above = |(_, place): &(&AgentId, &Place)| listed(place.parent.as_ref()?);
        let upward = std::iter::successors(listed(owner_id), |it: &(&AgentId, &Place)| above(it));
        let mut path: Vec<_> = upward.map(|(id, _)| id.clone()).collect();
        path.reverse();
        path
    }
}

/// Whether the parent of `child` may learn of `field` now: its policy may have become stricter since the parent last
/// looked. Nothing is given out by asking. Who is being written to cannot be asked, and keeps what it has.
fn may_go_up(places: &BTreeMap<AgentId, Place>, child: &AgentId, field: &str) -> bool {
    let Some(place) = places.get(child) else {
        return false;
    };
    let Some(secure) = &place.secure else {
        return true;
    };
    let parent = place.parent.as_ref().and_then(|it| places.get(it));
    parent.is_some_and(|parent| {
        let asked = secure.try_read();
        asked.is_ok_and(|it| it.lets_out(field) && it.can_access(&parent.viewer, None).is_ok())
    })
}
