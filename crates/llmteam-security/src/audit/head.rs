//! The end of a log: all that the next record needs.
//!
//! Invariant: size, last checksum and frontier describe the same records. It does not know where it is kept.

use std::sync::Arc;

use super::{
    checkpoint::Checkpoint,
    hash::{Digest, digest},
    tree::Frontier,
};

/// The end of a tenant's log. A log begins with its genesis record, so there is no head of size 0.
#[derive(Clone, PartialEq, Eq)]
pub struct ChainHead {
    pub(super) origin: Arc<str>,
    pub(super) frontier: Frontier,
    pub(super) last: Digest,
    pub(super) epoch: u64,
    /// First record whose bytes are there.
    pub(super) first: u64,
    /// Makes pseudonyms; never exported.
    pub(super) pseudonyms: [u8; 32],
}

impl ChainHead {
    /// The name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many records there are, genesis and pruned ones included.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The number of the last record; 0 is the genesis record.
    pub fn last_sequence(&self) -> u64 {
        self.size().saturating_sub(1)
    }

    /// The checksum of the last record.
    pub fn last_checksum(&self) -> Digest {
        self.last
    }

    /// First record that was not pruned.
    pub fn first_sequence(&self) -> u64 {
        self.first
    }

    /// What a checkpoint of it says.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: self.origin.to_string(),
            size: self.size(),
            root: self.frontier.root(),
        }
    }

    /// The name under which a record shows `id` to who has no payload.
    pub(super) fn pseudonym(&self, kind: &str, id: &str) -> Arc<str> {
        if id.is_empty() {
            return Arc::from("");
        }
        let len = (kind.len() as u64).to_be_bytes();
        let parts = [
            b"llmteam/audit/ref/v1\0".as_slice(),
            &self.pseudonyms,
            &len,
            kind.as_bytes(),
            id.as_bytes(),
        ];
        let hash = digest(&parts);
        data_encoding::HEXLOWER.encode(&hash.0[..16]).into()
    }
}

impl std::fmt::Debug for ChainHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainHead")
            .field("origin", &self.origin)
            .field("size", &self.size())
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
