//! Changing the policy of a context.
//!
//! Invariant: the owner and the direct orchestrator may make a policy stricter; only the owner makes it looser, so
//! that nobody can open for himself what was closed to him. Every change, refused ones included, is recorded first.

use super::SecureAgentContext;
use crate::{
    context::{
        access_log::{AccessAction, AccessAttempt},
        error::ContextAccessError,
        owner::OwnerToken,
        policy::{ContextAccessPolicy, Refusal},
        viewer::{Relation, Viewer},
        visibility::{SensitivityLevel, VisibilityLevel},
    },
    id::AgentId,
};

/// Who changes a policy.
#[derive(Clone, Copy, Debug)]
pub enum Authority<'a> {
    /// The owner.
    Owner(&'a OwnerToken),
    /// The direct orchestrator.
    Parent(&'a Viewer),
}

impl<'a> From<&'a OwnerToken> for Authority<'a> {
    fn from(token: &'a OwnerToken) -> Self {
        Self::Owner(token)
    }
}

impl<'a> From<&'a Viewer> for Authority<'a> {
    fn from(viewer: &'a Viewer) -> Self {
        Self::Parent(viewer)
    }
}

type Changed = Result<(), ContextAccessError>;

impl SecureAgentContext {
    /// A copy of the policy, for the owner.
    ///
    /// # Errors
    /// [`ContextAccessError::ContextAccess`] for everybody else.
    pub fn policy(&self, token: &OwnerToken) -> Result<ContextAccessPolicy, ContextAccessError> {
        if self.owner.accepts(token) {
            return Ok(self.policy.clone());
        }
        Err(ContextAccessError::ContextAccess {
            agent: self.subject.agent().clone(),
            viewer_id: token.subject().agent().clone(),
            field_name: None,
            reason: Refusal::NotInCharge,
        })
    }

    /// Denies `viewer`.
    ///
    /// # Errors
    /// [`ContextAccessError::ContextAccess`] if `by` is not in charge; [`ContextAccessError::NotRecorded`]; what the
    /// new policy asks for and the context lacks. So for all that change the policy; nothing has changed then.
    pub async fn deny_access_to<'a>(
        &mut self,
        by: impl Into<Authority<'a>>,
        viewer: AgentId,
    ) -> Changed {
        self.change(by.into(), "denied_viewers", |it| it.deny_access_to(viewer))
            .await
    }

    /// Lets `viewer` pass a denial. Loosens: only the owner may.
    ///
    /// # Errors
    /// As for [`Self::deny_access_to`].
    pub async fn allow_access_to<'a>(
        &mut self,
        by: impl Into<Authority<'a>>,
        viewer: AgentId,
    ) -> Changed {
        self.change(by.into(), "allowed_viewers", |it| {
            it.allow_access_to(viewer);
        })
        .await
    }

    /// Seals `name`. The value of a key of the data of that name moves to what is sealed. To open it again is
    /// [`Self::unseal_field`].
    ///
    /// # Errors
    /// As for [`Self::deny_access_to`], and [`ContextAccessError::NotSealable`].
    pub async fn seal_field<'a>(
        &mut self,
        by: impl Into<Authority<'a>>,
        name: impl Into<String>,
    ) -> Changed {
        let name = name.into();
        self.change(by.into(), "sealed_fields", |it| it.seal_field(name))
            .await
    }

    /// Sets the sensitivity. Lowering loosens: only the owner may.
    ///
    /// # Errors
    /// As for [`Self::deny_access_to`].
    pub async fn set_sensitivity<'a>(
        &mut self,
        by: impl Into<Authority<'a>>,
        sensitivity: SensitivityLevel,
    ) -> Changed {
        self.change(by.into(), "sensitivity", |it| it.sensitivity = sensitivity)
            .await
    }

    /// Sets how far the context may be seen. Widening loosens: only the owner may.
    ///
    /// # Errors
    /// As for [`Self::deny_access_to`].
    pub async fn set_default_visibility<'a>(
        &mut self,
        by: impl Into<Authority<'a>>,
        visibility: VisibilityLevel,
    ) -> Changed {
        let change = |it: &mut ContextAccessPolicy| it.default_visibility = visibility;
        self.change(by.into(), "default_visibility", change).await
    }

    async fn change(
        &mut self,
        by: Authority<'_>,
        part: &'static str,
        change: impl FnOnce(&mut ContextAccessPolicy),
    ) -> Changed {
        let mut next = self.policy.clone();
        change(&mut next);
        let attempt = self.attempt_by(by, part);
        if let Err(reason) = self.may_change(by, &next) {
            return Err(self.refuse_owner(attempt, reason).await);
        }
        let sealed = match self
            .admit(&next)
            .and_then(|()| self.seal_data(&next.sealed_fields))
        {
            Ok(sealed) => sealed,
            Err(error) => return Err(self.fail(attempt, error).await),
        };
        self.record(attempt).await?;
        self.policy = next;
        self.hold(sealed);
        Ok(())
    }

    fn attempt_by(&self, by: Authority<'_>, part: &'static str) -> AccessAttempt {
        let action = AccessAction::ChangePolicy;
        match by {
            Authority::Owner(token) => self.attempt_by_token(token, action, Some(part)),
            Authority::Parent(viewer) => self.attempt_by_viewer(viewer, action, Some(part)),
        }
    }

    fn may_change(&self, by: Authority<'_>, next: &ContextAccessPolicy) -> Result<(), Refusal> {
        let parent = match by {
            Authority::Owner(token) if self.owner.accepts(token) => return Ok(()),
            Authority::Owner(_) => return Err(Refusal::NotInCharge),
            Authority::Parent(viewer) => viewer.standing_to(&self.subject).relation,
        };
        match parent {
            Relation::Orchestrator { direct: true, .. } if is_stricter(next, &self.policy) => {
                Ok(())
            }
            Relation::Orchestrator { direct: true, .. } => Err(Refusal::Loosening),
            _ => Err(Refusal::NotInCharge),
        }
    }
}

/// Whether `next` shows nobody anything that `policy` does not show.
fn is_stricter(next: &ContextAccessPolicy, policy: &ContextAccessPolicy) -> bool {
    next.sensitivity >= policy.sensitivity
        && next.default_visibility <= policy.default_visibility
        && next.denied_viewers.is_superset(&policy.denied_viewers)
        && next.allowed_viewers.is_subset(&policy.allowed_viewers)
        && next.sealed_fields.is_superset(&policy.sealed_fields)
        && next.audit_access >= policy.audit_access
        && next.encrypt_sealed >= policy.encrypt_sealed
}
