//! A value that is its owner's alone.
//!
//! Invariant: there is no way to its content but [`SealedData::get`] with the owner's token. It is never serialised,
//! cloned or compared, shows nothing in text, is held encrypted where there is a key, and is wiped when dropped.
//! Wiping is best effort: what the compiler or the allocator copied before may stay in memory.

use std::{fmt, io, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use super::{
    crypto::{RunKey, SealError, SealFault, SealedBlob, Slot},
    error::{ContextAccessError, shown},
    owner::{OwnerToken, OwnerVerifier, Subject},
};
use crate::{clock::Timestamp, id::AgentId};

/// A value and the one who may read it.
pub struct SealedData {
    name: String,
    subject: Subject,
    owner: OwnerVerifier,
    created_at: Timestamp,
    held: Held,
}

enum Held {
    /// The JSON text of the value.
    Plain(Zeroizing<Vec<u8>>),
    /// The same under the key of the run.
    Encrypted {
        blob: SealedBlob,
        version: u64,
        key: Arc<RunKey>,
    },
}

impl SealedData {
    /// Seals `value` under `name` for the holder of `token`; in memory only, without encryption.
    pub fn new(
        token: &OwnerToken,
        name: impl Into<String>,
        value: Value,
        created_at: Timestamp,
    ) -> Self {
        let held = Held::Plain(into_text(value));
        Self::held(
            token.subject().clone(),
            token.verifier(),
            name.into(),
            created_at,
            held,
        )
    }

    /// Seals `text`, the JSON text of a value, encrypted if there is a key.
    pub(super) fn of_text(
        (subject, owner): (&Subject, &OwnerVerifier),
        name: &str,
        text: Zeroizing<Vec<u8>>,
        created_at: Timestamp,
        key: Option<&Arc<RunKey>>,
        version: u64,
    ) -> Result<Self, SealError> {
        let held = match key {
            None => Held::Plain(text),
            Some(key) => Held::Encrypted {
                blob: key.seal(slot(subject.agent(), &slot_name(name), version), &text)?,
                version,
                key: key.clone(),
            },
        };
        let (subject, owner) = (subject.clone(), owner.clone());
        Ok(Self::held(
            subject,
            owner,
            name.to_owned(),
            created_at,
            held,
        ))
    }

    fn held(
        subject: Subject,
        owner: OwnerVerifier,
        name: String,
        created_at: Timestamp,
        held: Held,
    ) -> Self {
        Self {
            name,
            subject,
            owner,
            created_at,
            held,
        }
    }

    /// The name it is sealed under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `token` is the owner's.
    pub fn is_owner(&self, token: &OwnerToken) -> bool {
        self.owner.accepts(token)
    }

    /// When it was sealed.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Whether it is held encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.held, Held::Encrypted { .. })
    }

    /// The value.
    ///
    /// # Errors
    /// [`ContextAccessError::SealedDataAccess`] for everybody but the owner; [`ContextAccessError::Seal`] if it does
    /// not open, such as after its run was erased.
    pub fn get(&self, token: &OwnerToken) -> Result<Value, ContextAccessError> {
        if !self.is_owner(token) {
            return Err(refused(&self.subject, token, &self.name));
        }
        Ok(self.value()?)
    }

    /// The value. The caller has seen the token.
    pub(super) fn value(&self) -> Result<Value, SealError> {
        let text = self.text()?;
        serde_json::from_slice(&text).map_err(|_| SealError::Invalid {
            slot: shown(&self.name),
            fault: SealFault::NotSealed,
        })
    }

    /// The JSON text of the value. The caller has seen the token.
    pub(super) fn text(&self) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match &self.held {
            Held::Plain(text) => Ok(text.clone()),
            Held::Encrypted { blob, version, key } => {
                let name = slot_name(&self.name);
                key.open(slot(self.subject.agent(), &name, *version), blob)
            }
        }
    }
}

/// The one answer to everybody but the owner, whether or not there is such a name.
pub(super) fn refused(subject: &Subject, token: &OwnerToken, name: &str) -> ContextAccessError {
    ContextAccessError::SealedDataAccess {
        owner_id: subject.agent().clone(),
        requester_id: token.subject().agent().clone(),
        field_name: shown(name),
    }
}

fn slot_name(name: &str) -> String {
    format!("sealed/{name}")
}

fn slot<'a>(agent: &'a AgentId, name: &'a str, version: u64) -> Slot<'a> {
    Slot {
        agent,
        name,
        version,
    }
}

/// The JSON text of `value`, which is wiped.
pub(super) fn into_text(mut value: Value) -> Zeroizing<Vec<u8>> {
    let text = text_of(&value);
    wipe(&mut value);
    text
}

/// The JSON text of something, in memory that is wiped and never moved while it grows.
pub(super) fn text_of(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut length = Length(0);
    // Values of JSON with text keys have a JSON text, and neither writer fails.
    let _ = serde_json::to_writer(&mut length, value);
    let mut text = Zeroizing::new(Vec::with_capacity(length.0));
    let _ = serde_json::to_writer(&mut *text, value);
    text
}

/// Overwrites every text of `value`.
pub(super) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => {
            for (mut key, mut value) in std::mem::take(map) {
                key.zeroize();
                wipe(&mut value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    *value = Value::Null;
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for SealedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedData")
            .field("owner", self.subject.agent())
            .field("data", &format_args!("REDACTED"))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SealedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("[SEALED]")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::{Lineage, ViewerRole};

    fn tokens() -> (OwnerToken, OwnerToken) {
        let (lineage, tenant) = (Lineage::new(), "t".parse().unwrap());
        let add = |id: &str| lineage.add(&tenant, &id.parse().unwrap(), ViewerRole::Agent, None);
        (add("a").unwrap(), add("b").unwrap())
    }

    #[test]
    fn only_the_owner_reads_it() {
        // covers: CTX-03, CTX-27
        let (owner, other) = tokens();
        let value = json!({"card": "4111", "n": [1, 2.5, null, true], "é": "\u{0}"});
        let sealed = SealedData::new(&owner, "card", value.clone(), Timestamp::from_micros(1));
        assert!(sealed.is_owner(&owner) && !sealed.is_owner(&other));
        assert_eq!(sealed.get(&owner).unwrap(), value);
        let error = sealed.get(&other).unwrap_err();
        assert_eq!(error.to_string(), "`b` may not reach sealed `card` of `a`");
    }

    #[test]
    fn no_text_form_shows_the_value() {
        // covers: CTX-07
        let (owner, _) = tokens();
        let sealed = SealedData::new(&owner, "k", json!("hunter2"), Timestamp::from_micros(1));
        assert_eq!(sealed.to_string(), "[SEALED]");
        for text in [
            format!("{sealed:?}"),
            format!("{sealed:#?}"),
            format!("{sealed:>20}"),
        ] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        let debug = format!("{sealed:?}");
        assert!(
            debug.contains("REDACTED") && debug.contains("AgentId(a)"),
            "{debug}"
        );
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut value = json!({"a": ["x", {"b": "y"}], "c": 1});
        wipe(&mut value);
        assert_eq!(value, Value::Null);
        let value = json!({"deep": [[["text"]]], "number": 0.1});
        assert_eq!(*text_of(&value), serde_json::to_vec(&value).unwrap());
    }
}
