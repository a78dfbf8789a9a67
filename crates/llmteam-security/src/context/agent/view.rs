//! What is given out of a context.
//!
//! Invariant: a view is a deep copy, made of the names that the policy grants and no other, in one fixed order. A
//! denied view holds the name that was asked for and a fixed reason, whatever the context holds.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::SecureAgentContext;
use crate::{
    context::{
        access_log::{AccessAction, AccessOutcome},
        error::ContextAccessError,
        field::{self, FIELDS},
        owner::OwnerToken,
        policy::{ContextAccessResult, Refusal},
        viewer::{AdminCapability, Standing, Viewer},
    },
    id::AgentId,
};

/// What a viewer gets to see.
#[derive(Clone, Debug, PartialEq)]
pub enum ContextView {
    /// Nothing.
    Denied {
        /// Whose context it is.
        agent_id: AgentId,
        /// Why.
        reason: Refusal,
    },
    /// The fields that are granted.
    Granted(GrantedView),
}

impl ContextView {
    /// The fields, if the view is granted.
    pub fn granted(&self) -> Option<&GrantedView> {
        match self {
            Self::Granted(view) => Some(view),
            Self::Denied { .. } => None,
        }
    }

    /// The view as a JSON object; a denied one is `{agent_id, access: "denied", reason}`.
    pub fn to_dict(&self) -> Map<String, Value> {
        match self {
            Self::Granted(view) => view.0.clone(),
            Self::Denied { agent_id, reason } => Map::from_iter([
                (field::AGENT_ID.to_owned(), json!(agent_id)),
                ("access".to_owned(), json!("denied")),
                ("reason".to_owned(), json!(reason.as_str())),
            ]),
        }
    }
}

impl Serialize for ContextView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_dict().serialize(serializer)
    }
}

/// The fields of a granted view: a copy, changing it changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct GrantedView(Map<String, Value>);

impl GrantedView {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value of a key of the agent's data.
    pub fn data(&self, key: &str) -> Option<&Value> {
        self.0.get(field::DATA)?.get(key)
    }

    /// The names of the fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The fields themselves.
    pub fn into_fields(self) -> Map<String, Value> {
        self.0
    }
}

impl SecureAgentContext {
    /// What `viewer` may see, as a copy.
    ///
    /// # Errors
    /// [`ContextAccessError::NotRecorded`] if the attempt had to be recorded and could not be. Being denied is no
    /// error but a [`ContextView::Denied`].
    pub async fn get_visible_context(
        &self,
        viewer: &Viewer,
    ) -> Result<ContextView, ContextAccessError> {
        self.view(viewer, None).await
    }

    /// As [`Self::get_visible_context`] for a system viewer that shows an administration. Without a log to record it
    /// in, the administration counts for nothing.
    ///
    /// # Errors
    /// [`ContextAccessError::NotRecorded`]: an administration that cannot be recorded is not used.
    pub async fn get_visible_context_as_admin(
        &self,
        viewer: &Viewer,
        admin: &AdminCapability,
    ) -> Result<ContextView, ContextAccessError> {
        self.view(viewer, Some(admin)).await
    }

    async fn view(
        &self,
        viewer: &Viewer,
        admin: Option<&AdminCapability>,
    ) -> Result<ContextView, ContextAccessError> {
        let admin = admin.filter(|_| self.services.log.is_some());
        let standing = viewer.standing(&self.subject, admin);
        let mut attempt = self.attempt_by_viewer(viewer, AccessAction::View, None);
        attempt.administration = admin.map(|it| it.reason().to_owned());
        let view = match self.visible(&standing) {
            Ok(view) => {
                attempt.fields_visible = view.fields().map(str::to_owned).collect();
                ContextView::Granted(view)
            }
            Err(reason) => {
                attempt.outcome = AccessOutcome::from(reason);
                let agent_id = self.subject.agent().clone();
                ContextView::Denied { agent_id, reason }
            }
        };
        self.record(attempt).await?;
        Ok(view)
    }

    /// Everything that is not sealed, for the owner. What is sealed is read by name: see [`Self::get_sealed`].
    ///
    /// # Errors
    /// [`ContextAccessError::ContextAccess`] for everybody else; [`ContextAccessError::NotRecorded`].
    pub async fn owner_view(&self, token: &OwnerToken) -> Result<GrantedView, ContextAccessError> {
        let mut attempt = self.attempt_by_token(token, AccessAction::OwnerView, None);
        if !self.owner.accepts(token) {
            return Err(self.refuse_owner(attempt, Refusal::NotInCharge).await);
        }
        let view = self.copied(&|name| !self.policy.sealed_fields.contains(name));
        attempt.fields_visible = view.fields().map(str::to_owned).collect();
        self.record(attempt).await?;
        Ok(view)
    }

    /// A value of the agent's data, or `default`. Recorded where every access must be, and when it is refused.
    ///
    /// # Errors
    /// As for [`Self::owner_view`].
    pub async fn get_data(
        &self,
        token: &OwnerToken,
        key: &str,
        default: Value,
    ) -> Result<Value, ContextAccessError> {
        let attempt = self.attempt_by_token(token, AccessAction::OwnerView, Some(key));
        if !self.owner.accepts(token) {
            return Err(self.refuse_owner(attempt, Refusal::NotInCharge).await);
        }
        let value = self.state.data.get(key).cloned().unwrap_or(default);
        if self.policy.must_record() {
            self.record(attempt).await?;
        }
        Ok(value)
    }

    /// Which of `fields` `viewer` may see; with none, whether there is anything to see. Gives out no value.
    pub fn check_access(&self, viewer: &Viewer, fields: &[&str]) -> ContextAccessResult {
        let standing = viewer.standing_to(&self.subject);
        self.policy
            .check_access(&standing, fields, &|key| self.has_key(key))
    }

    /// Whether `viewer` may see the context, or one field of it.
    ///
    /// # Errors
    /// Why not.
    pub fn can_access(&self, viewer: &Viewer, field: Option<&str>) -> Result<(), Refusal> {
        let standing = viewer.standing_to(&self.subject);
        self.policy
            .can_access(&standing, field, &|key| self.has_key(key))
    }

    /// Whether what is kept under `name`, here or beside the context, may be copied to others at all. Gives out no
    /// value.
    pub fn lets_out(&self, name: &str) -> bool {
        self.policy.lets_out(name)
    }

    pub(super) fn has_key(&self, key: &str) -> bool {
        self.state.data.contains_key(key)
    }

    fn visible(&self, standing: &Standing) -> Result<GrantedView, Refusal> {
        let has_key = |key: &str| self.has_key(key);
        self.policy.can_access(standing, None, &has_key)?;
        Ok(self.copied(&|name| {
            self.policy
                .can_access(standing, Some(name), &has_key)
                .is_ok()
        }))
    }

    /// A copy of all fields and keys of the data that are `shown`.
    fn copied(&self, shown: &dyn Fn(&str) -> bool) -> GrantedView {
        let mut view = Map::new();
        for (name, _) in FIELDS.into_iter().filter(|(name, _)| shown(name)) {
            let value = match name {
                field::AGENT_ID => Some(json!(self.subject.agent())),
                field::SEALED_FIELDS => Some(json!(self.policy.sealed_fields)),
                field::DATA => self.copied_data(shown),
                name => self.state.field(name),
            };
            view.extend(value.map(|value| (name.to_owned(), value)));
        }
        GrantedView(view)
    }

    fn copied_data(&self, shown: &dyn Fn(&str) -> bool) -> Option<Value> {
        let shown = self.state.data.iter().filter(|(key, _)| shown(key));
        let data: Map<_, _> = shown
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        (!data.is_empty()).then_some(Value::Object(data))
    }
}
