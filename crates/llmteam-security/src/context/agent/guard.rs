//! Recording attempts on a context.
//!
//! Invariant: every path to a value ends here before it gives anything out, once. What is sealed, what changes the
//! policy, and everything under a policy that says so does not happen unless it is recorded.

use std::sync::atomic::Ordering;

use super::SecureAgentContext;
use crate::context::{
    access_log::{AccessAction, AccessAttempt, AccessOutcome},
    error::{ContextAccessError, shown},
    owner::{OwnerToken, Subject},
    policy::Refusal,
    role::ViewerRole,
    sealed,
    viewer::Viewer,
};

impl SecureAgentContext {
    pub(super) fn attempt_by_viewer(
        &self,
        viewer: &Viewer,
        action: AccessAction,
        field: Option<&str>,
    ) -> AccessAttempt {
        self.attempt(&viewer.subject, Some(viewer.role()), action, field)
    }

    pub(super) fn attempt_by_token(
        &self,
        token: &OwnerToken,
        action: AccessAction,
        field: Option<&str>,
    ) -> AccessAttempt {
        self.attempt(token.subject(), None, action, field)
    }

    fn attempt(
        &self,
        by: &Subject,
        viewer_role: Option<ViewerRole>,
        action: AccessAction,
        field: Option<&str>,
    ) -> AccessAttempt {
        AccessAttempt {
            tenant: self.subject.tenant().clone(),
            agent: self.subject.agent().clone(),
            run: self.services.key.as_ref().map(|key| key.run().clone()),
            viewer: by.agent().clone(),
            viewer_tenant: by.tenant().clone(),
            viewer_role,
            action,
            field: field.map(shown),
            outcome: AccessOutcome::Granted,
            fields_visible: Vec::new(),
            administration: None,
            at: self.services.clock.now(),
        }
    }

    /// Makes `attempt` durable. An error means that it must not happen.
    pub(super) async fn record(&self, attempt: AccessAttempt) -> Result<(), ContextAccessError> {
        let Some(log) = &self.services.log else {
            return Ok(());
        };
        let Err(source) = log.record(&attempt).await else {
            return Ok(());
        };
        let must = self.policy.must_record()
            || attempt.action.is_sealed()
            || attempt.action == AccessAction::ChangePolicy
            || attempt.administration.is_some();
        if must {
            let agent = self.subject.agent().clone();
            return Err(ContextAccessError::NotRecorded { agent, source });
        }
        self.unrecorded.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Records a refusal to somebody who asked for what is the owner's, and is it.
    pub(super) async fn refuse_owner(
        &self,
        attempt: AccessAttempt,
        reason: Refusal,
    ) -> ContextAccessError {
        let error = ContextAccessError::ContextAccess {
            agent: self.subject.agent().clone(),
            viewer_id: attempt.viewer.clone(),
            field_name: attempt.field.clone(),
            reason,
        };
        let attempt = AccessAttempt {
            outcome: reason.into(),
            ..attempt
        };
        self.record(attempt).await.err().unwrap_or(error)
    }

    /// Records a refusal of something sealed, and is it: the same for every name.
    pub(super) async fn refuse_sealed(
        &self,
        token: &OwnerToken,
        action: AccessAction,
        name: &str,
    ) -> ContextAccessError {
        let mut attempt = self.attempt_by_token(token, action, Some(name));
        attempt.outcome = AccessOutcome::Denied {
            reason: "forbidden: not the owner",
        };
        let error = sealed::refused(&self.subject, token, name);
        self.record(attempt).await.err().unwrap_or(error)
    }

    /// Records that something allowed came to nothing, and gives the reason back.
    pub(super) async fn fail(
        &self,
        attempt: AccessAttempt,
        error: ContextAccessError,
    ) -> ContextAccessError {
        let outcome = AccessOutcome::Failed { code: error.code() };
        let recorded = self.record(AccessAttempt { outcome, ..attempt }).await;
        recorded.err().unwrap_or(error)
    }
}
