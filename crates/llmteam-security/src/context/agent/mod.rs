//! The working state of one agent.
//!
//! Invariant: what is read from it passes a viewer's standing or the owner's token, and its policy; what is sealed
//! passes the token alone. Its identity never changes, its policy is its own, and everything it gives out is a copy.
//! It is never serialised; it leaves whole only encrypted: see [`export`](SecureAgentContext::export).

mod authority;
mod export;
mod guard;
mod limits;
mod sealing;
mod state;
mod view;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Map, Value};

use self::state::State;
pub use self::{
    authority::Authority,
    state::AgentStatus,
    view::{ContextView, GrantedView},
};
use super::{
    access_log::AccessLog,
    crypto::RunKey,
    error::{ContextAccessError, asks},
    field,
    owner::{OwnerToken, OwnerVerifier, Subject},
    policy::ContextAccessPolicy,
    sealed::SealedData,
    visibility::SensitivityLevel,
};
use crate::clock::Clock;

/// What a context works with.
#[derive(Clone, Debug)]
pub struct ContextServices {
    /// The source of its times.
    pub clock: Arc<dyn Clock>,
    /// Where attempts to reach it are recorded. `top_secret` and `audit_access` ask for one.
    pub log: Option<Arc<dyn AccessLog>>,
    /// The key under which its sealed values are held. `top_secret`, `encrypt_sealed` and exporting ask for one.
    pub key: Option<Arc<RunKey>>,
}

impl ContextServices {
    /// Without log and key.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            log: None,
            key: None,
        }
    }

    /// The same with `log`.
    #[must_use]
    pub fn with_log(mut self, log: Arc<dyn AccessLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// The same with `key`.
    #[must_use]
    pub fn with_key(mut self, key: Arc<RunKey>) -> Self {
        self.key = Some(key);
        self
    }
}

/// The working state of one agent, with the policy that says who may see what of it.
///
/// Whoever can change it (`&mut`) writes to it; reading takes a [`Viewer`](super::Viewer) or the owner's token.
pub struct SecureAgentContext {
    subject: Subject,
    owner: OwnerVerifier,
    services: ContextServices,
    policy: ContextAccessPolicy,
    state: State,
    sealed: BTreeMap<String, SealedData>,
    /// Counts what was ever sealed, so that no two values of a context share slot and version.
    sealings: u64,
    unrecorded: AtomicU64,
}

/// A new context of the holder of `token`: status idle, confidence 0, nothing in it.
///
/// # Errors
/// [`ContextAccessError::LogRequired`] and [`ContextAccessError::CipherRequired`] if the policy asks for what
/// `services` lacks; [`ContextAccessError::ForeignKey`]; [`ContextAccessError::NotSealable`],
/// [`ContextAccessError::TooLarge`].
pub fn create_secure_context(
    token: &OwnerToken,
    agent_name: impl Into<String>,
    policy: ContextAccessPolicy,
    services: ContextServices,
) -> Result<SecureAgentContext, ContextAccessError> {
    let name = limits::text("an agent's name", agent_name.into())?;
    let state = State::new(name, services.clock.now());
    SecureAgentContext::assemble(token, policy, services, state)
}

impl SecureAgentContext {
    fn assemble(
        token: &OwnerToken,
        policy: ContextAccessPolicy,
        services: ContextServices,
        state: State,
    ) -> Result<Self, ContextAccessError> {
        let it = Self {
            subject: token.subject().clone(),
            owner: token.verifier(),
            services,
            policy,
            state,
            sealed: BTreeMap::new(),
            sealings: 0,
            unrecorded: AtomicU64::new(0),
        };
        if let Some(key) = &it.services.key
            && key.tenant() != it.subject.tenant()
        {
            return Err(ContextAccessError::ForeignKey {
                key: key.tenant().clone(),
                tenant: it.subject.tenant().clone(),
            });
        }
        it.admit(&it.policy)?;
        Ok(it)
    }

    /// Whether the context can live under `policy`.
    fn admit(&self, policy: &ContextAccessPolicy) -> Result<(), ContextAccessError> {
        let agent = || self.subject.agent().clone();
        let top = policy.sensitivity == SensitivityLevel::TopSecret;
        let why = asks(policy.sensitivity);
        if (top || policy.audit_access) && self.services.log.is_none() {
            return Err(ContextAccessError::LogRequired {
                agent: agent(),
                why,
            });
        }
        if (top || policy.encrypt_sealed) && self.services.key.is_none() {
            return Err(ContextAccessError::CipherRequired {
                agent: agent(),
                why,
            });
        }
        limits::count("sealed names", policy.sealed_fields.len())?;
        for name in &policy.sealed_fields {
            limits::name(name)?;
            if !field::is_sealable(name) {
                let field = name.clone();
                return Err(ContextAccessError::NotSealable { field });
            }
        }
        Ok(())
    }

    /// Whose context it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// How many attempts went by unrecorded because the log failed. Attempts on what is sealed, on the policy, and
    /// under `audit_access`, `secret` and `top_secret` never do: they do not happen.
    pub fn unrecorded_attempts(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }

    /// Sets the status.
    pub fn update_status(&mut self, status: AgentStatus) {
        self.state.status = status;
        self.touch();
    }

    /// Sets the confidence, clamped to 0..=1.
    ///
    /// # Errors
    /// [`ContextAccessError::NotAConfidence`] for NaN.
    pub fn update_confidence(&mut self, confidence: f64) -> Result<(), ContextAccessError> {
        if confidence.is_nan() {
            return Err(ContextAccessError::NotAConfidence);
        }
        // Adding zero turns the -0.0 that clamping may leave into 0.0.
        self.state.confidence = confidence.clamp(0.0, 1.0) + 0.0;
        self.touch();
        Ok(())
    }

    /// Says what the agent did last.
    ///
    /// # Errors
    /// [`ContextAccessError::TooLarge`], with nothing changed; so do all that take content.
    pub fn update_last_action(
        &mut self,
        action: impl Into<String>,
    ) -> Result<(), ContextAccessError> {
        self.state.last_action = limits::text("an action", action.into())?;
        self.touch();
        Ok(())
    }

    /// Adds a step of reasoning. Beyond [`Self::MAX_ENTRIES`] the oldest leaves; so in all lists.
    ///
    /// # Errors
    /// [`ContextAccessError::TooLarge`].
    pub fn add_reasoning_step(
        &mut self,
        step: impl Into<String>,
    ) -> Result<(), ContextAccessError> {
        let step = limits::text("a reasoning step", step.into())?;
        state::push(&mut self.state.reasoning_steps, step);
        self.touch();
        Ok(())
    }

    /// Adds a source.
    ///
    /// # Errors
    /// [`ContextAccessError::TooLarge`].
    pub fn add_source(&mut self, source: impl Into<String>) -> Result<(), ContextAccessError> {
        let source = limits::text("a source", source.into())?;
        state::push(&mut self.state.sources, source);
        self.touch();
        Ok(())
    }

    /// Adds a message. Messages are shown to the owner alone.
    ///
    /// # Errors
    /// [`ContextAccessError::TooLarge`].
    pub fn add_message(&mut self, message: Map<String, Value>) -> Result<(), ContextAccessError> {
        let message = limits::value(Value::Object(message))?;
        state::push(&mut self.state.messages, message);
        self.touch();
        Ok(())
    }

    /// Counts an error.
    pub fn increment_error_count(&mut self) {
        self.state.error_count = self.state.error_count.saturating_add(1);
        self.touch();
    }

    /// Sets a key of the agent's data.
    ///
    /// # Errors
    /// [`ContextAccessError::SealedName`] if the name is sealed: it takes no plain value;
    /// [`ContextAccessError::TooLarge`].
    pub fn set_data(
        &mut self,
        key: impl Into<String>,
        value: Value,
    ) -> Result<(), ContextAccessError> {
        let key = key.into();
        limits::name(&key)?;
        if self.policy.sealed_fields.contains(&key) {
            let field = super::error::shown(&key);
            return Err(ContextAccessError::SealedName { field });
        }
        let value = limits::value(value)?;
        if !self.state.data.contains_key(&key) {
            limits::count("keys of data", self.state.data.len() + 1)?;
        }
        self.state.data.insert(key, value);
        self.touch();
        Ok(())
    }

    fn touch(&mut self) {
        self.state.updated_at = self.state.updated_at.max(self.services.clock.now());
    }
}

impl fmt::Debug for SecureAgentContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureAgentContext")
            .field("subject", &self.subject)
            .field("sensitivity", &self.policy.sensitivity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
