//! One's own context: what an agent or orchestrator is handed.
//!
//! Invariant: it reaches the context of its owner and, for an orchestrator, a view of what stands directly under
//! it. No method takes the name of somebody else, so a sibling cannot be asked for.
//! This module does not know what the owner does.

use std::{collections::BTreeMap, fmt, sync::Arc};

use llmteam_security::{
    AgentId,
    context::{OwnerToken, SecureAgentContext, Viewer},
};
use serde_json::{Map, Value};
use tokio::sync::RwLock;

use super::{
    error::ContextError,
    hierarchical::{ContextSummary, HierarchicalContext},
    manager::Shared,
    view::ChildView,
};

/// A secure context that its owner writes to and that those above ask.
///
/// Whoever holds it can write; reading takes a viewer or the owner's token. Do not propagate while holding a guard.
pub type SharedSecureContext = Arc<RwLock<SecureAgentContext>>;

/// One's own context. There is one for each context, and it dies with it: after a removal everything is
/// [`ContextError::Unknown`], also when somebody of the same name is admitted again.
pub struct OwnContext {
    token: OwnerToken,
    viewer: Arc<Viewer>,
    shared: Arc<Shared>,
}

impl OwnContext {
    pub(super) fn new(token: OwnerToken, viewer: Arc<Viewer>, shared: Arc<Shared>) -> Self {
        Self {
            token,
            viewer,
            shared,
        }
    }

    /// Whose it is.
    pub fn owner_id(&self) -> &AgentId {
        self.token.subject().agent()
    }

    /// The proof of owning it, which its secure context asks for.
    pub fn token(&self) -> &OwnerToken {
        &self.token
    }

    /// The right to look at what stands under it.
    pub fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Leaves status, confidence and error count to `secure`, and what is told of the context to its policy. Do so
    /// before any of the three is written.
    ///
    /// # Errors
    /// [`ContextError::ForeignSecureContext`], [`ContextError::AlreadySecured`]; [`ContextError::KeptSecurely`] if
    /// one of the three was written; [`ContextError::Unknown`] if the context was removed.
    pub fn attach_secure_context(
        &self,
        secure: SecureAgentContext,
    ) -> Result<SharedSecureContext, ContextError> {
        if secure.subject() != self.token.subject() {
            return Err(ContextError::ForeignSecureContext {
                owner_id: self.owner_id().clone(),
                of: secure.subject().agent().clone(),
            });
        }
        let mut forest = self.shared.forest();
        let (place, context) = forest.owned(self.token.subject())?;
        context.secure()?;
        let secure = Arc::new(RwLock::new(secure));
        place.secure = Some(secure.clone());
        Ok(secure)
    }

    /// Writes a value. Where children contribute to the field, it counts as one contribution more.
    ///
    /// # Errors
    /// As for [`HierarchicalContext::set_data`]; [`ContextError::Unknown`], here and in all that follow, if the
    /// context was removed.
    pub fn set_data(&self, field: &str, value: Value) -> Result<(), ContextError> {
        let now = self.shared.clock.now();
        self.with(|it| it.set_data(field, value, now))?
    }

    /// Erases a value that was written; whether there was one. What children contribute stays.
    ///
    /// # Errors
    /// [`ContextError::Unknown`].
    pub fn remove_data(&self, field: &str) -> Result<bool, ContextError> {
        let now = self.shared.clock.now();
        self.with(|it| it.remove_data(field, now))
    }

    /// A copy of a value: the aggregate where children contribute, else what was written.
    ///
    /// # Errors
    /// [`ContextError::Unknown`].
    pub fn get_data(&self, field: &str) -> Result<Option<Value>, ContextError> {
        self.with(|it| it.get_data(field).cloned())
    }

    /// A copy of all data.
    ///
    /// # Errors
    /// [`ContextError::Unknown`].
    pub fn data(&self) -> Result<Map<String, Value>, ContextError> {
        self.with(|it| it.data())
    }

    /// What is said of it to those who stand over it.
    ///
    /// # Errors
    /// [`ContextError::Unknown`].
    pub fn get_summary(&self) -> Result<ContextSummary, ContextError> {
        self.with(|it| it.get_summary())
    }

    /// The context as a JSON object, with its data and without its children.
    ///
    /// # Errors
    /// [`ContextError::Unknown`].
    pub fn to_dict(&self) -> Result<Map<String, Value>, ContextError> {
        self.with(|it| it.to_dict())
    }

    /// What may be seen of those directly under it; nobody stands under an agent.
    ///
    /// # Errors
    /// [`ContextError::Unknown`], [`ContextError::Access`].
    pub async fn get_visible_children(&self) -> Result<BTreeMap<AgentId, ChildView>, ContextError> {
        self.with(|_| ())?;
        self.shared
            .visible_children(self.owner_id(), &self.viewer)
            .await
    }

    fn with<T>(&self, f: impl FnOnce(&mut HierarchicalContext) -> T) -> Result<T, ContextError> {
        let mut forest = self.shared.forest();
        let (_, context) = forest.owned(self.token.subject())?;
        Ok(f(context))
    }
}

impl fmt::Debug for OwnContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnContext({:?})", self.token.subject())
    }
}
