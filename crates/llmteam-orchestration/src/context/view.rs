//! What is shown of those who stand under a context, and to whom.
//!
//! Invariant: who looks is the parent, stands above it, or serves the tenant; everybody else is refused without
//! learning who is there. Every attempt on every child is recorded once, where there is a log.
//! This module does not decide what a secure context shows: its policy does.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use llmteam_security::{
    AgentId,
    context::{
        AccessAction, AccessAttempt, AccessOutcome, ContextAccessPolicy, ContextView, Refusal,
        SensitivityLevel, Subject, Viewer, VisibilityLevel,
    },
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    error::ContextError,
    hierarchical::{ContextSummary, HierarchicalContext},
    manager::Shared,
    own::SharedSecureContext,
};

/// What is shown of one child.
#[derive(Clone, Debug, PartialEq)]
pub enum ChildView {
    /// It has no secure context.
    Open(ContextSummary),
    /// What its secure context shows; denied, if that denies it.
    Secured(ContextView),
}

impl ChildView {
    /// The view as a JSON object; one that is denied has `access: "denied"` and `reason`.
    pub fn to_dict(&self) -> Map<String, Value> {
        match self {
            Self::Secured(view) => view.to_dict(),
            Self::Open(summary) => match serde_json::to_value(summary) {
                Ok(Value::Object(summary)) => summary,
                _ => Map::new(),
            },
        }
    }
}

impl Serialize for ChildView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Open(summary) => summary.serialize(serializer),
            Self::Secured(view) => view.serialize(serializer),
        }
    }
}

/// A child as it stood when somebody looked.
struct Child {
    subject: Subject,
    summary: ContextSummary,
    secure: Option<SharedSecureContext>,
}

/// Whether `viewer` stands over `subject`, by the rules of a context that hides nothing.
fn over(viewer: &Viewer, subject: &Subject) -> Result<(), Refusal> {
    let policy = ContextAccessPolicy {
        default_visibility: VisibilityLevel::Hierarchy,
        ..ContextAccessPolicy::with_sensitivity(SensitivityLevel::Public)
    };
    policy.can_access(&viewer.standing_to(subject), None, &|_| false)
}

impl Shared {
    /// What `viewer` may see of those directly under `parent_id`.
    pub(super) async fn visible_children(
        &self,
        parent_id: &AgentId,
        viewer: &Viewer,
    ) -> Result<BTreeMap<AgentId, ChildView>, ContextError> {
        let (children, allowed) = self.look(parent_id, viewer)?;
        let mut views = BTreeMap::new();
        for child in children {
            let view = match &child.secure {
                // A secure context decides and records by itself, refusals of strangers too.
                Some(secure) => {
                    let secure = secure.read().await;
                    ChildView::Secured(secure.get_visible_context(viewer).await?)
                }
                None => {
                    self.record(viewer, &child.subject, allowed).await;
                    ChildView::Open(child.summary)
                }
            };
            views.insert(child.subject.agent().clone(), view);
        }
        match allowed {
            Ok(()) => Ok(views),
            Err(reason) => Err(ContextError::Denied {
                owner_id: parent_id.clone(),
                viewer_id: viewer.id().clone(),
                reason,
            }),
        }
    }

    /// Who stands under `parent_id` now, and whether `viewer` may look at them at all. Counts if it may.
    fn look(
        &self,
        parent_id: &AgentId,
        viewer: &Viewer,
    ) -> Result<(Vec<Child>, Result<(), Refusal>), ContextError> {
        let mut forest = self.forest();
        let parent = forest.place(parent_id)?.subject.clone();
        let allowed = if *viewer.subject() == parent {
            Ok(())
        } else {
            over(viewer, &parent)
        };
        let (_, context) = forest.owned(&parent)?;
        if allowed.is_ok() {
            context.count_access();
        }
        let summaries: Vec<_> = context
            .children()
            .map(HierarchicalContext::get_summary)
            .collect();
        let mut children = Vec::with_capacity(summaries.len());
        for summary in summaries {
            let place = forest.place(&summary.owner_id)?;
            children.push(Child {
                subject: place.subject.clone(),
                secure: place.secure.clone(),
                summary,
            });
        }
        Ok((children, allowed))
    }

    /// Records an attempt on a child without a secure context. A summary holds no secret: if the log fails, it is
    /// given out and the attempt is counted.
    async fn record(&self, viewer: &Viewer, child: &Subject, allowed: Result<(), Refusal>) {
        let Some(log) = &self.log else {
            return;
        };
        let shown = [
            "scope",
            "owner_id",
            "children_count",
            "updated_at",
            "access_count",
        ];
        let shown: &[&str] = if allowed.is_ok() { &shown } else { &[] };
        let attempt = AccessAttempt {
            tenant: child.tenant().clone(),
            agent: child.agent().clone(),
            run: None,
            viewer: viewer.id().clone(),
            viewer_tenant: viewer.tenant().clone(),
            viewer_role: Some(viewer.role()),
            action: AccessAction::View,
            field: None,
            outcome: allowed.map_or_else(AccessOutcome::from, |()| AccessOutcome::Granted),
            fields_visible: shown.iter().map(|it| (*it).to_owned()).collect(),
            administration: None,
            at: self.clock.now(),
        };
        if log.record(&attempt).await.is_err() {
            self.unrecorded.fetch_add(1, Ordering::Relaxed);
        }
    }
}
