//! The data key of a run, as it is stored.
//!
//! Invariant: a stored data key is wrapped or destroyed, never plain; a destroyed one leaves its name behind, so that
//! what is erased is told from what is forged.

use std::fmt;

use data_encoding::HEXLOWER;

use super::{kek::KekVersion, slot::lp};
use crate::{
    clock::Timestamp,
    context::random::{self, NoRandomness},
    id::{RunId, TenantId},
};

/// The name of a data key: 16 random bytes, shown as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DekId([u8; Self::LEN]);

impl DekId {
    /// Bytes of a name.
    pub const LEN: usize = 16;

    /// The name of those bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    pub(super) fn random() -> Result<Self, NoRandomness> {
        random::bytes().map(Self)
    }
}

impl fmt::Display for DekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for DekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DekId({self})")
    }
}

/// A data key under the key of its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedDek {
    /// The version of the tenant's key that wraps it.
    pub kek: KekVersion,
    /// The wrapped bytes; what they look like is the key provider's.
    pub bytes: Vec<u8>,
}

/// Whether a data key can still be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DekState {
    /// It is there, wrapped.
    Live(WrappedDek),
    /// It was destroyed.
    Shredded {
        /// When.
        at: Timestamp,
    },
}

/// The stored data key of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DekRecord {
    /// The tenant.
    pub tenant: TenantId,
    /// The run; it has one data key in its life.
    pub run: RunId,
    /// The name of the key.
    pub id: DekId,
    /// Wrapped, or destroyed.
    pub state: DekState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl DekRecord {
    /// The wrapped key, if it is still there.
    pub fn wrapped(&self) -> Option<&WrappedDek> {
        match &self.state {
            DekState::Live(wrapped) => Some(wrapped),
            DekState::Shredded { .. } => None,
        }
    }
}

/// What is known of the data key that a sealed value names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DekStatus {
    /// It is listed and wrapped by that version.
    Live(KekVersion),
    /// It was destroyed on purpose: the value is erased.
    Erased,
    /// The tenant has never had it: the value is not valid.
    Unknown,
}

/// What a wrapped data key is bound to:
/// `"llmteam/dek/v1\0" ‖ lp(tenant) ‖ lp(run) ‖ lp(dek id) ‖ u32 version`.
pub(super) fn wrap_data(tenant: &TenantId, run: &RunId, id: DekId, version: KekVersion) -> Vec<u8> {
    let mut out = b"llmteam/dek/v1\0".to_vec();
    lp(&mut out, tenant.as_str().as_bytes());
    lp(&mut out, run.as_str().as_bytes());
    lp(&mut out, id.as_bytes());
    out.extend_from_slice(&version.0.to_be_bytes());
    out
}
