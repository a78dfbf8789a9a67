//! Taking a context out of the process and back.
//!
//! Invariant: it leaves encrypted under the key of its run or not at all, for the owner alone. It comes back only for
//! the same tenant, run and agent, and at the version that the caller expects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ContextServices, SecureAgentContext, state::State};
use crate::context::{
    access_log::AccessAction,
    crypto::{SealedBlob, Slot},
    error::ContextAccessError,
    owner::OwnerToken,
    policy::{ContextAccessPolicy, Refusal},
    sealed::text_of,
};

/// The slot of a whole context. Sealed values have slots that start with `sealed/`.
const SLOT: &str = "context";
/// The form of what is inside. Raise it when an older reader would misread it.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Writing<'a> {
    format: u32,
    policy: &'a ContextAccessPolicy,
    state: &'a State,
    sealings: u64,
    /// Names and the JSON texts of their values.
    sealed: BTreeMap<&'a str, &'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    format: u32,
    policy: ContextAccessPolicy,
    state: State,
    sealings: u64,
    sealed: BTreeMap<String, Text>,
}

/// The JSON text of a sealed value, wiped when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Text(Zeroizing<String>);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl SecureAgentContext {
    /// The whole context, encrypted under the key of its run as version `version`. Keep the version apart from the
    /// blob: an older blob in the place of a newer one does not open.
    ///
    /// # Errors
    /// [`ContextAccessError::ContextAccess`] for everybody but the owner; [`ContextAccessError::CipherRequired`]
    /// without a key; [`ContextAccessError::Seal`], [`ContextAccessError::NotRecorded`].
    pub async fn export(
        &self,
        token: &OwnerToken,
        version: u64,
    ) -> Result<SealedBlob, ContextAccessError> {
        let attempt = self.attempt_by_token(token, AccessAction::Export, None);
        if !self.owner.accepts(token) {
            return Err(self.refuse_owner(attempt, Refusal::NotInCharge).await);
        }
        let blob = match self.sealed_whole(version) {
            Ok(blob) => blob,
            Err(error) => return Err(self.fail(attempt, error).await),
        };
        self.record(attempt).await?;
        Ok(blob)
    }

    /// The context that `blob` is, now owned by the holder of `token`. The policy inside must be one that `services`
    /// satisfies.
    ///
    /// # Errors
    /// [`ContextAccessError::Seal`] if the blob is not that version of the agent's context in that run;
    /// [`ContextAccessError::Export`]; and those of [`create_secure_context`](super::create_secure_context).
    pub fn restore(
        token: &OwnerToken,
        blob: &SealedBlob,
        version: u64,
        services: ContextServices,
    ) -> Result<Self, ContextAccessError> {
        let agent = token.subject().agent();
        let Some(key) = services.key.clone() else {
            return Err(ContextAccessError::CipherRequired {
                agent: agent.clone(),
                why: "an exported context is encrypted",
            });
        };
        if key.tenant() != token.subject().tenant() {
            return Err(ContextAccessError::ForeignKey {
                key: key.tenant().clone(),
                tenant: token.subject().tenant().clone(),
            });
        }
        let slot = Slot {
            agent,
            name: SLOT,
            version,
        };
        let inside = Reading::parse(token, &key.open(slot, blob)?)?;
        let mut it = Self::assemble(token, inside.policy, services, inside.state)?;
        it.sealings = inside.sealings;
        let mut sealed = Vec::new();
        for (ahead, (name, text)) in (1..).zip(&inside.sealed) {
            let text = Zeroizing::new(text.0.as_bytes().to_vec());
            sealed.push(it.seal_text(name, text, ahead)?);
        }
        let updated_at = it.state.updated_at;
        it.hold(sealed);
        it.state.updated_at = updated_at;
        Ok(it)
    }

    fn sealed_whole(&self, version: u64) -> Result<SealedBlob, ContextAccessError> {
        let Some(key) = &self.services.key else {
            return Err(ContextAccessError::CipherRequired {
                agent: self.subject.agent().clone(),
                why: "exporting encrypts",
            });
        };
        let mut texts = BTreeMap::new();
        for (name, sealed) in &self.sealed {
            texts.insert(name.as_str(), sealed.text()?);
        }
        let sealed = texts
            .iter()
            .map(|(name, text)| Ok((*name, std::str::from_utf8(text)?)))
            .collect::<Result<_, std::str::Utf8Error>>()
            .map_err(|_| ContextAccessError::Export {
                agent: self.subject.agent().clone(),
                reason: "a sealed value is no text".to_owned(),
            })?;
        let inside = text_of(&Writing {
            format: FORMAT,
            policy: &self.policy,
            state: &self.state,
            sealings: self.sealings,
            sealed,
        });
        let slot = Slot {
            agent: self.subject.agent(),
            name: SLOT,
            version,
        };
        Ok(key.seal(slot, &inside)?)
    }
}

impl Reading {
    fn parse(token: &OwnerToken, text: &[u8]) -> Result<Self, ContextAccessError> {
        let unreadable = |reason: String| ContextAccessError::Export {
            agent: token.subject().agent().clone(),
            reason,
        };
        // What the parser says may quote content; where it stopped does not.
        let inside: Self = serde_json::from_slice(text)
            .map_err(|error| unreadable(format!("not valid at column {}", error.column())))?;
        if inside.format != FORMAT {
            let format = inside.format;
            return Err(unreadable(format!("format {format} is not known")));
        }
        Ok(inside)
    }
}
