//! How a record commits to what it does not hold itself.
//!
//! Invariant: a commitment covers a random blind or a ciphertext, never the plain bytes alone, so that it says nothing
//! about guessable data once blind or key are gone.
//! It does not know what the bytes mean, nor where keys are kept: see [`super::keys`].

use super::{
    hash::{Digest, digest},
    lta1::PayloadKind,
};

const BLINDED: &[u8] = b"llmteam/audit/payload/v1\0";
const SEALED: &[u8] = b"llmteam/audit/sealed/v1\0";

/// The payload of a stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Bytes and the random blind their commitment is hidden behind.
    Blinded {
        /// 32 random bytes.
        blind: [u8; 32],
        /// The bytes.
        bytes: Box<[u8]>,
    },
    /// Bytes under the key of the person they are about.
    Sealed {
        /// Which key.
        dek_id: Box<str>,
        /// 24 random bytes.
        nonce: [u8; 24],
        /// The bytes under the key, with their authentication tag.
        ciphertext: Box<[u8]>,
    },
}

impl Payload {
    /// How it is committed to.
    pub fn kind(&self) -> PayloadKind {
        match self {
            Self::Blinded { .. } => PayloadKind::Blinded,
            Self::Sealed { .. } => PayloadKind::Sealed,
        }
    }

    /// Length of the bytes or of the ciphertext.
    pub fn len(&self) -> u64 {
        self.stored().len() as u64
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.stored().is_empty()
    }

    /// The bytes or the ciphertext, as stored.
    pub fn stored(&self) -> &[u8] {
        match self {
            Self::Blinded { bytes, .. } => bytes,
            Self::Sealed { ciphertext, .. } => ciphertext,
        }
    }

    /// What a record holds of it.
    pub fn commit(&self) -> Digest {
        match self {
            Self::Blinded { blind, bytes } => blinded(blind, bytes),
            Self::Sealed {
                dek_id,
                nonce,
                ciphertext,
            } => sealed(dek_id, nonce, ciphertext),
        }
    }
}

/// SHA-256("llmteam/audit/payload/v1\0" ‖ blind ‖ bytes).
pub fn blinded(blind: &[u8; 32], bytes: &[u8]) -> Digest {
    digest(&[BLINDED, blind, bytes])
}

/// SHA-256("llmteam/audit/sealed/v1\0" ‖ lp(dek_id) ‖ nonce ‖ ciphertext).
pub fn sealed(dek_id: &str, nonce: &[u8; 24], ciphertext: &[u8]) -> Digest {
    let len = u32::try_from(dek_id.len()).unwrap_or(u32::MAX);
    digest(&[
        SEALED,
        &len.to_be_bytes(),
        dek_id.as_bytes(),
        nonce,
        ciphertext,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_sealed_payload_is_committed_to() {
        let base = sealed("k", &[0; 24], b"xy");
        for other in [
            sealed("l", &[0; 24], b"xy"),
            sealed("k", &[1; 24], b"xy"),
            sealed("k", &[0; 24], b"xz"),
        ] {
            assert_ne!(base, other);
        }
        assert_ne!(blinded(&[0; 32], b"a"), blinded(&[1; 32], b"a"));
        let payload = Payload::Sealed {
            dek_id: "k".into(),
            nonce: [0; 24],
            ciphertext: (*b"xy").into(),
        };
        assert_eq!((payload.commit(), payload.len()), (base, 2));
    }
}
