//! A cipher that commits to its key.
//!
//! Invariant: cipher key and commitment come from one 32-byte secret by HKDF-SHA-256 (RFC 5869), so a ciphertext
//! that was made to open under two secrets is refused by one of the two commitments. The commitment is compared
//! before anything is decrypted, in constant time.
//! XChaCha20-Poly1305 is that of draft-irtf-cfrg-xchacha-03.

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::error::SealFault;
use crate::context::random::{self, NoRandomness};

/// Bytes of a commitment.
pub(super) const COMMITMENT: usize = 32;
/// Bytes of a nonce.
pub(super) const NONCE: usize = 24;
/// Bytes of a tag.
pub(super) const TAG: usize = 16;
/// Bytes that sealing adds: commitment, nonce, tag.
pub(super) const OVERHEAD: usize = COMMITMENT + NONCE + TAG;

/// A cipher and the commitment to its key.
pub(super) struct CommittingKey {
    cipher: XChaCha20Poly1305,
    commitment: [u8; COMMITMENT],
}

impl CommittingKey {
    /// Derives both from `secret`; `domain` keeps uses of one secret apart.
    pub(super) fn derive(domain: &[u8], secret: &[u8; 32]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(domain), secret);
        let mut key = Zeroizing::new([0; 32]);
        let mut commitment = [0; COMMITMENT];
        // 32 bytes are within the 255 hashes that HKDF gives out at most; it has no other error.
        let long = "32 bytes are a valid length";
        hkdf.expand(b"encrypt", &mut *key).expect(long);
        hkdf.expand(b"commit", &mut commitment).expect(long);
        Self {
            cipher: XChaCha20Poly1305::new((&*key).into()),
            commitment,
        }
    }

    /// Appends commitment, nonce, ciphertext and tag of `plaintext` to `out`, with a fresh random nonce.
    pub(super) fn seal(
        &self,
        associated_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), NoRandomness> {
        self.seal_with(random::bytes()?, associated_data, plaintext, out);
        Ok(())
    }

    /// As [`Self::seal`] with the nonce given. Only known-answer tests give one.
    pub(super) fn seal_with(
        &self,
        nonce: [u8; NONCE],
        associated_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) {
        out.reserve(OVERHEAD + plaintext.len());
        out.extend_from_slice(&self.commitment);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let body = out.get_mut(start..).unwrap_or_default();
        // The cipher refuses only what is longer than 256 GiB.
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), associated_data, body.into())
            .expect("a value is under 256 GiB");
        out.extend_from_slice(&tag);
    }

    /// Opens what [`Self::seal`] made.
    pub(super) fn open(
        &self,
        associated_data: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        let (commitment, rest) = sealed
            .split_first_chunk::<COMMITMENT>()
            .ok_or(SealFault::NotSealed)?;
        if !bool::from(self.commitment.ct_eq(commitment)) {
            return Err(SealFault::Commitment);
        }
        let (nonce, rest) = rest
            .split_first_chunk::<NONCE>()
            .ok_or(SealFault::NotSealed)?;
        let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(SealFault::NotSealed)?;
        let mut plaintext = Zeroizing::new(body.to_vec());
        self.cipher
            .decrypt_inout_detached(
                nonce.into(),
                associated_data,
                plaintext.as_mut_slice().into(),
                tag.into(),
            )
            .map_err(|_| SealFault::Tampered)?;
        Ok(plaintext)
    }
}
