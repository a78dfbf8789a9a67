//! Why something could not be sealed or opened.
//!
//! Invariant: no message holds a key or a value. Everything that is wrong with a sealed value itself is one error with
//! one code, so that nothing is learnt from how it was refused; the fault beside it is for the operator.

use super::{dek::DekId, kek::KekVersion};
use crate::{
    context::{access_log::AccessLogError, random::NoRandomness},
    id::{RunId, TenantId},
};

/// What is wrong with a sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// The bytes are no sealed value: plaintext, truncated, or something else.
    #[error("the bytes are not a sealed value")]
    NotSealed,
    /// The format is not one that this program opens, older ones included.
    #[error("format {0} is not one that is opened")]
    Format(u8),
    /// The cipher suite is not one that this program opens.
    #[error("suite {0} is not one that is opened")]
    Suite(u8),
    /// No key of that name is listed for the run.
    #[error("no such key is listed for the run")]
    UnknownKey,
    /// The value was sealed under another key of the same name.
    #[error("the key commitment differs")]
    Commitment,
    /// The value was changed, or is at another place than it was sealed for.
    #[error("changed, or sealed for another tenant, run, agent, slot or version")]
    Tampered,
}

/// Why something was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The sealed value is not valid here.
    #[error("the sealed value of slot `{slot}` is not valid: {fault}")]
    Invalid {
        /// Where it was to be opened.
        slot: String,
        /// What is wrong with it.
        fault: SealFault,
    },
    /// The run's key was destroyed, and with it all that was sealed under it.
    #[error("run `{run}` is erased: its key was destroyed on purpose")]
    Erased {
        /// The run.
        run: RunId,
    },
    /// The value is larger than what is sealed in one piece.
    #[error("a value of {size} bytes is over the {limit} that are sealed in one piece")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The tenant's key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store of wrapped keys failed.
    #[error(transparent)]
    Store(#[from] DekStoreError),
    /// A change of keys could not be recorded, so it did not happen.
    #[error("the change of keys was not recorded and did not happen: {0}")]
    NotRecorded(AccessLogError),
    /// A key version still wraps data keys.
    #[error(
        "version {version} of the key of tenant `{tenant}` still wraps {count} data keys; re-wrap them first"
    )]
    KekInUse {
        /// The tenant.
        tenant: TenantId,
        /// The version that was to be retired.
        version: KekVersion,
        /// How many data keys it wraps.
        count: u64,
    },
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl SealError {
    /// The error code that callers act on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "SEAL_INVALID",
            Self::Erased { .. } => "SEAL_ERASED",
            Self::TooLarge { .. } => "SEAL_TOO_LARGE",
            Self::Key(_) | Self::Random(_) => "KEY_UNAVAILABLE",
            Self::Store(_) => "KEY_STORE_UNAVAILABLE",
            Self::NotRecorded(_) => "ACCESS_UNRECORDED",
            Self::KekInUse { .. } => "KEY_IN_USE",
        }
    }

    /// What is wrong with the sealed value, if that is the trouble.
    pub fn fault(&self) -> Option<SealFault> {
        match self {
            Self::Invalid { fault, .. } => Some(*fault),
            _ => None,
        }
    }
}

/// Why a tenant's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The tenant has no key.
    #[error(
        "tenant `{tenant}` has no key at {place}; restore it, or create one if nothing was ever sealed for this tenant"
    )]
    Missing {
        /// The tenant.
        tenant: TenantId,
        /// Where it was looked for.
        place: String,
    },
    /// The tenant has a key, but not this version of it.
    #[error(
        "version {version} of the key of tenant `{tenant}` is gone; restore it to open what it wraps"
    )]
    MissingVersion {
        /// The tenant.
        tenant: TenantId,
        /// The version.
        version: KekVersion,
    },
    /// The wrapped key was changed, or wrapped by another key of that version.
    #[error(
        "data key `{dek}` of tenant `{tenant}` is not wrapped by version {version} of its key: {fault}"
    )]
    Unwrap {
        /// The tenant.
        tenant: TenantId,
        /// The data key.
        dek: DekId,
        /// The version it names.
        version: KekVersion,
        /// What is wrong.
        fault: SealFault,
    },
    /// A key exists where one was to be created.
    #[error("tenant `{tenant}` already has a key at {place}; it is not overwritten")]
    Exists {
        /// The tenant.
        tenant: TenantId,
        /// Where it is.
        place: String,
    },
    /// The place of the key cannot be trusted or read.
    #[error("the key of tenant `{tenant}` at {place} is refused: {reason}")]
    Refused {
        /// The tenant.
        tenant: TenantId,
        /// Where it is.
        place: String,
        /// Why, without key material.
        reason: String,
    },
    /// The version in use cannot be retired.
    #[error("version {version} of the key of tenant `{tenant}` is in use; rotate first")]
    Current {
        /// The tenant.
        tenant: TenantId,
        /// The version.
        version: KekVersion,
    },
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// A failure of the store of wrapped data keys.
#[derive(Debug, thiserror::Error)]
pub enum DekStoreError {
    /// The store did not answer, or not as it should.
    #[error("the store of data keys failed: {0}")]
    Unavailable(String),
    /// A stored row is damaged.
    #[error("the stored data key of run `{run}` is damaged: {reason}")]
    Damaged {
        /// The run.
        run: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}
