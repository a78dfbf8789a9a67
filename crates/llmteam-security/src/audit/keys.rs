//! Keys of persons, under which payloads about them lie, so that erasing one key erases them all.
//!
//! Invariant: a person's key (DEK) exists outside memory only wrapped by one of the tenant's keys (KEK); a ciphertext
//! opens only for the log and the event it was made for. Erasing the wrapped key is for good, except in backups.
//! It does not know where wrapped keys are stored.

use std::{collections::HashMap, fmt, sync::Arc};

use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{Aead, KeyInit, Payload as AeadPayload},
};
use zeroize::Zeroizing;

use super::{
    error::AuditError,
    head::ChainHead,
    payload::Payload,
    random,
    record::{AuditId, generate_audit_id},
};

/// The tenant's keys: the first wraps new keys, all of them unwrap.
#[derive(Clone)]
pub struct PayloadKeys {
    keys: Arc<[(String, Zeroizing<[u8; 32]>)]>,
}

impl PayloadKeys {
    /// Keys by id; the first is the current one. `None` without any.
    pub fn new(keys: impl IntoIterator<Item = (String, [u8; 32])>) -> Option<Self> {
        let keys: Arc<[_]> = keys
            .into_iter()
            .map(|(id, key)| (id, Zeroizing::new(key)))
            .collect();
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// The id of the key that wraps.
    pub fn current(&self) -> &str {
        &self.keys[0].0
    }

    fn wrap(&self, dek_id: &str, dek: &[u8; 32]) -> Result<(String, Vec<u8>), AuditError> {
        let (id, key) = &self.keys[0];
        let nonce: [u8; 24] = random::bytes()?;
        let wrapped = encrypt(key, &nonce, dek, dek_id.as_bytes()).ok_or_else(|| failed(id))?;
        Ok((id.clone(), [nonce.as_slice(), &wrapped].concat()))
    }

    fn unwrap(&self, stored: &StoredKey) -> Result<Zeroizing<[u8; 32]>, AuditError> {
        let found = self.keys.iter().find(|(id, _)| *id == stored.kek_id);
        let open = || {
            let (_, key) = found?;
            let (nonce, wrapped) = stored.wrapped.split_first_chunk::<24>()?;
            let dek = Zeroizing::new(decrypt(key, nonce, wrapped, stored.dek_id.as_bytes())?);
            dek.as_slice().try_into().ok().map(Zeroizing::new)
        };
        open().ok_or_else(|| failed(&stored.kek_id))
    }

    /// The same key, wrapped by the current one.
    pub(super) fn rewrap(&self, stored: &StoredKey) -> Result<StoredKey, AuditError> {
        let dek = self.unwrap(stored)?;
        let (kek_id, wrapped) = self.wrap(&stored.dek_id, &dek)?;
        Ok(StoredKey {
            kek_id,
            wrapped,
            ..stored.clone()
        })
    }

    /// A new key for the person behind `subject`.
    pub(super) fn generate(&self, subject: &str) -> Result<StoredKey, AuditError> {
        let dek: Zeroizing<[u8; 32]> = Zeroizing::new(random::bytes()?);
        let dek_id = format!("dek_{}", generate_audit_id()?);
        let (kek_id, wrapped) = self.wrap(&dek_id, &dek)?;
        Ok(StoredKey {
            dek_id,
            subject: subject.to_owned(),
            kek_id,
            wrapped,
        })
    }
}

impl fmt::Debug for PayloadKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|(id, _)| id);
        f.debug_list().entries(ids).finish()
    }
}

fn failed(name: &str) -> AuditError {
    AuditError::Key {
        name: name.to_owned(),
        reason: "it is not here, or does not open what it should".to_owned(),
    }
}

/// A wrapped key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id, which records name.
    pub dek_id: String,
    /// The person's pseudonym.
    pub subject: String,
    /// What it is wrapped with.
    pub kek_id: String,
    /// Nonce, key and tag.
    pub wrapped: Vec<u8>,
}

/// The keys at hand while records are sealed or opened.
#[derive(Default)]
pub(super) struct SubjectKeys {
    by_id: HashMap<String, (StoredKey, Zeroizing<[u8; 32]>)>,
}

impl SubjectKeys {
    /// Unwraps `stored`; keys that the tenant's keys do not open are left out.
    pub(super) fn open(keys: Option<&PayloadKeys>, stored: Vec<StoredKey>) -> Self {
        let opened = stored.into_iter().filter_map(|stored| {
            let dek = keys?.unwrap(&stored).ok()?;
            Some((stored.dek_id.clone(), (stored, dek)))
        });
        Self {
            by_id: opened.collect(),
        }
    }

    /// The key of `person`.
    pub(super) fn of(&self, head: &ChainHead, person: &str) -> Option<&StoredKey> {
        if self.by_id.is_empty() {
            return None;
        }
        let subject = subject(head, person);
        let mut stored = self.by_id.values().map(|(stored, _)| stored);
        stored.find(|it| it.subject == *subject)
    }

    /// Puts `plain` under key `dek_id`, bound to the log and the event.
    pub(super) fn seal(
        &self,
        origin: &str,
        dek_id: &str,
        event: AuditId,
        plain: &[u8],
    ) -> Result<Payload, AuditError> {
        let nonce: [u8; 24] = random::bytes()?;
        let key = self.by_id.get(dek_id).ok_or_else(|| failed(dek_id))?;
        let ciphertext = encrypt(&key.1, &nonce, plain, &place(origin, event));
        Ok(Payload::Sealed {
            dek_id: dek_id.into(),
            nonce,
            ciphertext: ciphertext.ok_or_else(|| failed(dek_id))?.into(),
        })
    }

    /// The plain bytes of `payload`; `None` when its key is not here or it is not this event's.
    pub(super) fn unseal<'a>(
        &self,
        origin: &str,
        event: AuditId,
        payload: &'a Payload,
    ) -> Option<std::borrow::Cow<'a, [u8]>> {
        match payload {
            Payload::Blinded { bytes, .. } => Some((&**bytes).into()),
            Payload::Sealed {
                dek_id,
                nonce,
                ciphertext,
            } => {
                let (_, key) = self.by_id.get(&**dek_id)?;
                decrypt(key, nonce, ciphertext, &place(origin, event)).map(Into::into)
            }
        }
    }
}

/// The pseudonym of a person, whatever kind of actor it acts as.
pub(super) fn subject(head: &ChainHead, person: &str) -> Arc<str> {
    head.pseudonym("person", person)
}

fn place(origin: &str, event: AuditId) -> Vec<u8> {
    [event.as_bytes().as_slice(), origin.as_bytes()].concat()
}

fn encrypt(key: &[u8; 32], nonce: &[u8; 24], msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.encrypt(nonce.into(), AeadPayload { msg, aad }).ok()
}

fn decrypt(key: &[u8; 32], nonce: &[u8; 24], msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.decrypt(nonce.into(), AeadPayload { msg, aad }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: AUD-34
    #[test]
    fn a_payload_opens_only_in_its_place_and_with_its_key() {
        let keys =
            PayloadKeys::new([("k2".to_owned(), [2; 32]), ("k1".to_owned(), [1; 32])]).unwrap();
        let old = PayloadKeys::new([("k1".to_owned(), [1; 32])]).unwrap();
        let stored = old.generate("p").unwrap();
        let event = generate_audit_id().unwrap();
        let at_hand = SubjectKeys::open(Some(&keys), vec![stored.clone()]);
        let payload = at_hand
            .seal("log", &stored.dek_id, event, b"secret")
            .unwrap();
        assert_eq!(
            at_hand.unseal("log", event, &payload).unwrap().as_ref(),
            b"secret"
        );
        assert!(at_hand.unseal("other", event, &payload).is_none());
        assert!(
            at_hand
                .unseal("log", generate_audit_id().unwrap(), &payload)
                .is_none()
        );
        assert!(
            SubjectKeys::default()
                .unseal("log", event, &payload)
                .is_none()
        );
        let rewrapped = keys.rewrap(&stored).unwrap();
        assert_eq!(rewrapped.kek_id, "k2");
        let new = PayloadKeys::new([("k2".to_owned(), [2; 32])]).unwrap();
        let at_hand = SubjectKeys::open(Some(&new), vec![rewrapped.clone()]);
        assert!(at_hand.unseal("log", event, &payload).is_some());
        let moved = StoredKey {
            dek_id: "another".to_owned(),
            ..rewrapped
        };
        assert!(new.unwrap(&moved).is_err());
        assert!(!format!("{keys:?}").contains("2, 2"));
    }
}
