//! What repeating a step's call does to the outside world, and the key that makes a repeat harmless.

use data_encoding::BASE32_NOPAD;
use llmteam_security::id::{RunId, StepId, TenantId};
use sha2::{Digest, Sha256};

/// How a step's outside call behaves when it is sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectClass {
    /// Nothing outside depends on how often it runs: model calls, pure steps.
    Repeatable,
    /// Sending it again changes nothing: GET, PUT, DELETE.
    Idempotent,
    /// The receiver recognises a repeat by its idempotency key.
    Keyed,
    /// A repeat would act twice. An intent is recorded first; an ambiguous fault ends the step as `OutcomeUnknown`.
    AtMostOnce,
}

/// Domain separation of the effect key.
const DOMAIN: &[u8] = b"llmteam/effect/v1\0";

/// The idempotency key of call number `n` of one activation.
///
/// `base32(SHA-256("llmteam/effect/v1\0" + lp(tenant) + lp(run) + lp(step) + u32 activation + u32 n))`,
/// where `lp` is a big-endian `u32` length and the bytes. Neither attempt nor owner is part of it,
/// so a retry and a crash recovery send the same key.
pub fn effect_key(
    tenant: &TenantId,
    run: &RunId,
    step: &StepId,
    activation: u32,
    n: u32,
) -> String {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    for part in [tenant.as_str(), run.as_str(), step.as_str()] {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        hash.update(length.to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(activation.to_be_bytes());
    hash.update(n.to_be_bytes());
    BASE32_NOPAD.encode(&hash.finalize())
}
