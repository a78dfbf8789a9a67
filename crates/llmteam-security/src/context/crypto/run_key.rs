//! The data key of one run, unwrapped, for sealing and opening.
//!
//! Invariant: what it seals opens only with the same tenant, run, agent, slot, version and key. Once the run is
//! erased it neither seals nor opens; keys are wiped when dropped. Sealing and opening touch no store.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use zeroize::Zeroizing;

use super::{
    blob::SealedBlob,
    committing::CommittingKey,
    dek::DekId,
    error::{SealError, SealFault},
    kek::DekBytes,
    slot::{Slot, associated_data, run_prefix},
};
use crate::{
    context::error::shown,
    id::{RunId, TenantId},
};

/// What keeps keys that seal values apart from every other use.
const DOMAIN: &[u8] = b"llmteam/seal/v1\0";

/// The key of a run. Given out by [`Vault`](super::Vault).
pub struct RunKey {
    tenant: TenantId,
    run: RunId,
    id: DekId,
    key: CommittingKey,
    prefix: Vec<u8>,
    erased: AtomicBool,
}

impl RunKey {
    /// The largest value that is sealed in one piece, in bytes.
    pub const MAX_VALUE: usize = 64 << 20;

    pub(super) fn new(tenant: TenantId, run: RunId, id: DekId, dek: &DekBytes) -> Self {
        let prefix = run_prefix(&tenant, &run);
        Self {
            tenant,
            run,
            id,
            key: CommittingKey::derive(DOMAIN, dek),
            prefix,
            erased: AtomicBool::new(false),
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The name of the key.
    pub fn dek_id(&self) -> DekId {
        self.id
    }

    /// Seals `value` for `slot`.
    ///
    /// # Errors
    /// [`SealError::Erased`], [`SealError::TooLarge`], [`SealError::Random`].
    pub fn seal(&self, slot: Slot<'_>, value: &[u8]) -> Result<SealedBlob, SealError> {
        self.check()?;
        let (size, limit) = (value.len(), Self::MAX_VALUE);
        if size > limit {
            return Err(SealError::TooLarge { size, limit });
        }
        let bound = associated_data(&self.prefix, slot, self.id);
        let mut bytes = SealedBlob::header(self.id, size);
        self.key.seal(&bound, value, &mut bytes)?;
        Ok(SealedBlob::completed(bytes))
    }

    /// Opens what was sealed for `slot`.
    ///
    /// # Errors
    /// [`SealError::Erased`], [`SealError::Invalid`].
    pub fn open(&self, slot: Slot<'_>, blob: &SealedBlob) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.check()?;
        let invalid = |fault| SealError::Invalid {
            slot: shown(slot.name),
            fault,
        };
        if blob.dek_id() != self.id {
            return Err(invalid(SealFault::UnknownKey));
        }
        let bound = associated_data(&self.prefix, slot, self.id);
        self.key.open(&bound, blob.body()).map_err(invalid)
    }

    /// From now on it neither seals nor opens.
    pub(in crate::context) fn erase(&self) {
        self.erased.store(true, Ordering::Release);
    }

    fn check(&self) -> Result<(), SealError> {
        if self.erased.load(Ordering::Acquire) {
            let run = self.run.clone();
            return Err(SealError::Erased { run });
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn seal_with(&self, nonce: [u8; 24], slot: Slot<'_>, value: &[u8]) -> SealedBlob {
        let bound = associated_data(&self.prefix, slot, self.id);
        let mut bytes = SealedBlob::header(self.id, value.len());
        self.key.seal_with(nonce, &bound, value, &mut bytes);
        SealedBlob::completed(bytes)
    }
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunKey({}/{}, {}, ***)", self.tenant, self.run, self.id)
    }
}
