//! Sealing, reading and deleting what is the owner's alone.
//!
//! Invariant: all of it takes the owner's token, is recorded before it happens, and answers everybody else alike. A
//! name that is sealed stays sealed when its value is deleted; unsealing is an act of its own.

use std::collections::BTreeSet;

use serde_json::Value;
use zeroize::Zeroizing;

use super::{SecureAgentContext, limits};
use crate::context::{
    access_log::AccessAction,
    error::{ContextAccessError, shown},
    field,
    owner::OwnerToken,
    sealed::{SealedData, into_text, text_of, wipe},
};

impl SecureAgentContext {
    /// Seals `value` under `key`: in place of what was sealed there, and of the plain value of that name.
    ///
    /// # Errors
    /// [`ContextAccessError::SealedDataAccess`] for everybody but the owner; [`ContextAccessError::BuiltIn`] for the
    /// name of a field; [`ContextAccessError::TooLarge`], [`ContextAccessError::Seal`],
    /// [`ContextAccessError::NotRecorded`]. On any error nothing has changed.
    pub async fn set_sealed(
        &mut self,
        token: &OwnerToken,
        key: &str,
        value: Value,
    ) -> Result<(), ContextAccessError> {
        let action = AccessAction::SetSealed;
        if !self.owner.accepts(token) {
            return Err(self.refuse_sealed(token, action, key).await);
        }
        let attempt = self.attempt_by_token(token, action, Some(key));
        let sealed = match self.sealed_value(key, value) {
            Ok(sealed) => sealed,
            Err(error) => return Err(self.fail(attempt, error).await),
        };
        self.record(attempt).await?;
        self.policy.seal_field(key);
        self.hold(vec![sealed]);
        Ok(())
    }

    /// The sealed value of `key`, or of a built-in field that is sealed.
    ///
    /// # Errors
    /// [`ContextAccessError::SealedDataAccess`] for everybody but the owner, whatever the name;
    /// [`ContextAccessError::NothingSealed`], [`ContextAccessError::Seal`], [`ContextAccessError::NotRecorded`].
    pub async fn get_sealed(
        &self,
        token: &OwnerToken,
        key: &str,
    ) -> Result<Value, ContextAccessError> {
        let action = AccessAction::GetSealed;
        if !self.owner.accepts(token) {
            return Err(self.refuse_sealed(token, action, key).await);
        }
        let attempt = self.attempt_by_token(token, action, Some(key));
        let mut value = match self.opened(key) {
            Ok(value) => value,
            Err(error) => return Err(self.fail(attempt, error).await),
        };
        if let Err(error) = self.record(attempt).await {
            wipe(&mut value);
            return Err(error);
        }
        Ok(value)
    }

    /// Whether a value is sealed under `key`.
    ///
    /// # Errors
    /// As for [`Self::list_sealed_keys`].
    pub async fn has_sealed(
        &self,
        token: &OwnerToken,
        key: &str,
    ) -> Result<bool, ContextAccessError> {
        self.listing(token, key).await?;
        Ok(self.sealed.contains_key(key))
    }

    /// The names under which values are sealed.
    ///
    /// # Errors
    /// [`ContextAccessError::SealedDataAccess`] for everybody but the owner; [`ContextAccessError::NotRecorded`].
    pub async fn list_sealed_keys(
        &self,
        token: &OwnerToken,
    ) -> Result<BTreeSet<String>, ContextAccessError> {
        self.listing(token, "*").await?;
        Ok(self.sealed.keys().cloned().collect())
    }

    /// Destroys the value sealed under `key`; whether there was one. The name stays sealed.
    ///
    /// # Errors
    /// As for [`Self::list_sealed_keys`].
    pub async fn delete_sealed(
        &mut self,
        token: &OwnerToken,
        key: &str,
    ) -> Result<bool, ContextAccessError> {
        let action = AccessAction::DeleteSealed;
        if !self.owner.accepts(token) {
            return Err(self.refuse_sealed(token, action, key).await);
        }
        let attempt = self.attempt_by_token(token, action, Some(key));
        self.record(attempt).await?;
        let deleted = self.sealed.remove(key).is_some();
        if deleted {
            self.touch();
        }
        Ok(deleted)
    }

    /// Opens `name` to those whom the policy lets see it; whether it was sealed. A value that was sealed becomes a
    /// plain value of the data.
    ///
    /// # Errors
    /// [`ContextAccessError::SealedDataAccess`] for everybody but the owner, its orchestrators included;
    /// [`ContextAccessError::Seal`], [`ContextAccessError::TooLarge`], [`ContextAccessError::NotRecorded`].
    pub async fn unseal_field(
        &mut self,
        token: &OwnerToken,
        name: &str,
    ) -> Result<bool, ContextAccessError> {
        let action = AccessAction::Unseal;
        if !self.owner.accepts(token) {
            return Err(self.refuse_sealed(token, action, name).await);
        }
        let attempt = self.attempt_by_token(token, action, Some(name));
        let value = match self.to_unseal(name) {
            Ok(value) => value,
            Err(error) => return Err(self.fail(attempt, error).await),
        };
        self.record(attempt).await?;
        let was = self.policy.unseal_field(name);
        if let Some(value) = value {
            self.sealed.remove(name);
            self.state.data.insert(name.to_owned(), value);
        }
        self.touch();
        Ok(was)
    }

    async fn listing(&self, token: &OwnerToken, name: &str) -> Result<(), ContextAccessError> {
        let action = AccessAction::ListSealed;
        if !self.owner.accepts(token) {
            return Err(self.refuse_sealed(token, action, name).await);
        }
        let attempt = self.attempt_by_token(token, action, Some(name));
        self.record(attempt).await
    }

    fn sealed_value(&self, key: &str, value: Value) -> Result<SealedData, ContextAccessError> {
        limits::name(key)?;
        if field::class(key).is_some() {
            let field = key.to_owned();
            return Err(ContextAccessError::BuiltIn { field });
        }
        if !self.policy.sealed_fields.contains(key) {
            limits::count("sealed names", self.policy.sealed_fields.len() + 1)?;
        }
        let text = into_text(limits::value(value)?);
        self.seal_text(key, text, 1)
    }

    /// Seals a text; `ahead` counts the sealings since the last that is held.
    pub(super) fn seal_text(
        &self,
        key: &str,
        text: Zeroizing<Vec<u8>>,
        ahead: u64,
    ) -> Result<SealedData, ContextAccessError> {
        let now = self.services.clock.now();
        let owner = (&self.subject, &self.owner);
        let cipher = self.services.key.as_ref();
        let version = self.sealings + ahead;
        Ok(SealedData::of_text(owner, key, text, now, cipher, version)?)
    }

    /// The keys of the data that `names` seals, sealed but not held yet.
    pub(super) fn seal_data(
        &self,
        names: &BTreeSet<String>,
    ) -> Result<Vec<SealedData>, ContextAccessError> {
        let plain = self
            .state
            .data
            .iter()
            .filter(|(key, _)| names.contains(*key));
        plain
            .zip(1..)
            .map(|((key, value), ahead)| self.seal_text(key, text_of(value), ahead))
            .collect()
    }

    /// Takes sealed values in, in place of the plain ones of their names.
    pub(super) fn hold(&mut self, sealed: Vec<SealedData>) {
        for sealed in sealed {
            self.sealings += 1;
            if let Some(mut plain) = self.state.data.remove(sealed.name()) {
                wipe(&mut plain);
            }
            self.sealed.insert(sealed.name().to_owned(), sealed);
        }
        self.touch();
    }

    fn opened(&self, key: &str) -> Result<Value, ContextAccessError> {
        if let Some(sealed) = self.sealed.get(key) {
            return Ok(sealed.value()?);
        }
        let is_sealed = self.policy.sealed_fields.contains(key);
        let built_in = is_sealed.then(|| self.state.field(key)).flatten();
        built_in.ok_or_else(|| ContextAccessError::NothingSealed { field: shown(key) })
    }

    fn to_unseal(&self, name: &str) -> Result<Option<Value>, ContextAccessError> {
        let Some(sealed) = self.sealed.get(name) else {
            return Ok(None);
        };
        limits::count("keys of data", self.state.data.len() + 1)?;
        Ok(Some(sealed.value()?))
    }
}
