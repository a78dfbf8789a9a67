//! The stored form of a sealed value.
//!
//! Invariant: a value of this type has the shape of format 1; plaintext, older and newer formats never become one.
//! This module does not know keys: whether a blob opens is another matter.

use std::fmt;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    committing::OVERHEAD,
    dek::DekId,
    error::{SealError, SealFault},
};
use crate::context::error::shown;

/// What every sealed value starts with.
pub(super) const MAGIC: [u8; 3] = *b"LTS";
/// The format. Raise it when an older reader would misread a value; readers open what they know and refuse the rest,
/// older formats included once they are retired.
pub(super) const FORMAT: u8 = 1;
/// XChaCha20-Poly1305 with an HKDF-SHA-256 key commitment.
pub(super) const SUITE: u8 = 1;
/// Bytes before the commitment.
pub(super) const HEADER: usize = MAGIC.len() + 2 + DekId::LEN;

/// A sealed value as it is stored: `"LTS" ‖ format ‖ suite ‖ dek id ‖ commitment ‖ nonce ‖ ciphertext ‖ tag`.
///
/// Written to JSON as base64 text.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBlob(Box<[u8]>);

impl SealedBlob {
    /// Bytes that sealing adds to a value.
    pub const OVERHEAD: usize = HEADER + OVERHEAD;

    /// Reads stored bytes that must be a sealed value.
    ///
    /// # Errors
    /// [`SealError::Invalid`] for everything else: plaintext, other formats and suites, less than an empty value.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Result<Self, SealError> {
        let bytes = bytes.into();
        match fault(&bytes) {
            None => Ok(Self(bytes)),
            Some(fault) => Err(SealError::Invalid {
                slot: "(stored bytes)".to_owned(),
                fault,
            }),
        }
    }

    /// Reads the base64 text.
    ///
    /// # Errors
    /// As for [`Self::from_bytes`].
    pub fn from_text(text: &str) -> Result<Self, SealError> {
        match BASE64.decode(text.as_bytes()) {
            Ok(bytes) => Self::from_bytes(bytes),
            Err(_) => Err(SealError::Invalid {
                slot: format!("(stored text `{}…`)", shown(text.get(..3).unwrap_or(""))),
                fault: SealFault::NotSealed,
            }),
        }
    }

    /// The stored bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The base64 text.
    pub fn to_text(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// The data key that it names.
    pub fn dek_id(&self) -> DekId {
        let id = self.0.get(MAGIC.len() + 2..HEADER);
        DekId::from_bytes(id.and_then(|it| it.try_into().ok()).unwrap_or_default())
    }

    /// The first bytes of a blob under `dek`, with room for a value of `size` bytes.
    pub(super) fn header(dek: DekId, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::OVERHEAD + size);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[FORMAT, SUITE]);
        bytes.extend_from_slice(dek.as_bytes());
        bytes
    }

    /// Takes what a header was completed to.
    pub(super) fn completed(bytes: Vec<u8>) -> Self {
        Self(bytes.into_boxed_slice())
    }

    /// What stands behind the header.
    pub(super) fn body(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }
}

fn fault(bytes: &[u8]) -> Option<SealFault> {
    let Some(([b'L', b'T', b'S', format, suite], _)) = bytes.split_first_chunk() else {
        return Some(SealFault::NotSealed);
    };
    if *format != FORMAT {
        return Some(SealFault::Format(*format));
    }
    if *suite != SUITE {
        return Some(SealFault::Suite(*suite));
    }
    (bytes.len() < SealedBlob::OVERHEAD).then_some(SealFault::NotSealed)
}

impl fmt::Debug for SealedBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedBlob({}, {} bytes)", self.dek_id(), self.0.len())
    }
}

impl Serialize for SealedBlob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for SealedBlob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<u8> {
        let mut bytes = SealedBlob::header(DekId::from_bytes([9; 16]), 0);
        bytes.extend([0; OVERHEAD]);
        bytes
    }

    #[test]
    fn only_this_format_and_suite_is_a_sealed_value() {
        // covers: CTX-34
        let blob = SealedBlob::from_bytes(some()).unwrap();
        assert_eq!(blob.dek_id(), DekId::from_bytes([9; 16]));
        let fault = |bytes: Vec<u8>| SealedBlob::from_bytes(bytes).unwrap_err().fault().unwrap();
        for format in (0..=255).filter(|it| *it != FORMAT) {
            let mut bytes = some();
            bytes[3] = format;
            assert_eq!(fault(bytes), SealFault::Format(format));
        }
        for suite in (0..=255).filter(|it| *it != SUITE) {
            let mut bytes = some();
            bytes[4] = suite;
            assert_eq!(fault(bytes), SealFault::Suite(suite));
        }
        for length in 0..some().len() {
            assert_eq!(fault(some()[..length].to_vec()), SealFault::NotSealed);
        }
        for plain in ["", "secret", "{\"card\": \"4111\"}", "LTX"] {
            assert_eq!(fault(plain.into()), SealFault::NotSealed);
        }
    }

    #[test]
    fn json_holds_the_text_and_nothing_else_is_read() {
        // covers: CTX-34
        let blob = SealedBlob::from_bytes(some()).unwrap();
        let json = serde_json::to_string(&blob).unwrap();
        assert_eq!(serde_json::from_str::<SealedBlob>(&json).unwrap(), blob);
        for plain in ["\"secret\"", "\"\"", "{}", "7", "\"c2VjcmV0\""] {
            let error = serde_json::from_str::<SealedBlob>(plain).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
