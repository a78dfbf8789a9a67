//! Who looks at a context, and where they stand towards it.
//!
//! Invariant: a viewer comes only from the lineage that knows its node, and its standing is looked up anew each time,
//! so that moving or removing a node takes effect at once.
//! This module does not know what a standing is worth: see [`super::policy`].

use std::fmt;

use super::{
    lineage::Links,
    owner::{NodeId, Subject},
    role::ViewerRole,
};
use crate::id::{AgentId, TenantId};

/// The right to look, as one node of a lineage. Says who looks, never what they get to see.
pub struct Viewer {
    pub(super) links: Links,
    pub(super) subject: Subject,
    pub(super) role: ViewerRole,
}

impl Viewer {
    /// The tenant it looks for.
    pub fn tenant(&self) -> &TenantId {
        self.subject.tenant()
    }

    /// Who looks.
    pub fn id(&self) -> &AgentId {
        self.subject.agent()
    }

    /// The part it plays.
    pub fn role(&self) -> ViewerRole {
        self.role
    }

    /// Which admission of whom it looks as.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Where it stands towards `subject` now.
    pub fn standing_to(&self, subject: &Subject) -> Standing {
        self.standing(subject, None)
    }

    /// As [`Self::standing_to`], with an administration of this viewer.
    pub(super) fn standing(&self, subject: &Subject, admin: Option<&AdminCapability>) -> Standing {
        let admin = admin.is_some_and(|it| it.node == self.subject.node);
        Standing {
            viewer: self.id().clone(),
            relation: self.relation(subject, admin),
        }
    }

    fn relation(&self, subject: &Subject, admin: bool) -> Relation {
        if self.role == ViewerRole::Agent {
            return Relation::Agent;
        }
        let above = self.links.distance(self.subject.node, subject.node);
        match (self.role, above) {
            (ViewerRole::System, _)
                if self.links.are_neighbours(self.subject.node, subject.node) =>
            {
                Relation::System { admin }
            }
            (ViewerRole::PipelineOrch | ViewerRole::GroupOrch, Some(steps)) => {
                Relation::Orchestrator {
                    direct: steps == 1,
                    pipeline: self.role == ViewerRole::PipelineOrch,
                }
            }
            _ => Relation::Stranger,
        }
    }
}

impl fmt::Debug for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Viewer({}/{} as {})",
            self.tenant(),
            self.id(),
            self.role
        )
    }
}

/// Where a viewer stands towards one context, at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    pub(super) viewer: AgentId,
    pub(super) relation: Relation,
}

#[cfg_attr(test, derive(PartialEq, Eq))]
#[derive(Clone, Copy, Debug)]
pub(super) enum Relation {
    /// An agent, wherever it stands.
    Agent,
    /// Of another tenant, below, beside, removed, or oneself.
    Stranger,
    /// Above, in the same tenant.
    Orchestrator { direct: bool, pipeline: bool },
    /// Serves the tenant.
    System { admin: bool },
}

/// The right of one system node to see what is confidential in its tenant, for a stated reason. Each use is recorded.
pub struct AdminCapability {
    pub(super) node: NodeId,
    pub(super) reason: String,
}

impl AdminCapability {
    /// The longest reason, in bytes.
    pub const MAX_REASON: usize = 256;

    /// Why it was given.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Debug for AdminCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminCapability")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
