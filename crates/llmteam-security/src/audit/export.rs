//! What leaves a log: bundles, proofs, and how it stands.
//!
//! Invariant: what is given out can be checked without this program. It does not know files or terminals.

use std::io::Write;

use data_encoding::BASE64;
use serde::Serialize;

use super::{
    checkpoint::Checkpoint,
    error::AuditError,
    event::AuditEvent,
    event_type::AuditEventType,
    find::PIECE,
    hash::Digest,
    note::SignedNote,
    record::AuditRecord,
    store::Scan,
    trail::AuditTrail,
    tree::{consistency_proof, inclusion_proof, verify_inclusion},
    verify::{BundleLine, write_header, write_line},
};
use crate::id::TenantId;

/// That one record is in a log of a stated size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InclusionProof {
    /// The record's number.
    pub index: u64,
    /// Its checksum.
    pub leaf: Digest,
    /// The hashes beside its way to the root, from the leaf upwards.
    pub hashes: Vec<Digest>,
    /// The checkpoint it leads to.
    pub checkpoint: String,
}

impl InclusionProof {
    /// Whether it holds. Who signed the checkpoint is another question.
    pub fn holds(&self) -> bool {
        let note: Result<SignedNote, _> = self.checkpoint.parse();
        let stated = note.and_then(|it| Checkpoint::of_note(&it));
        stated.is_ok_and(|it| {
            verify_inclusion(self.leaf, self.index, it.size, &self.hashes, &it.root)
        })
    }

    /// The proof as C2SP writes it (c2sp.org/tlog-proof@v1).
    pub fn to_text(&self) -> String {
        let hashes: String = self
            .hashes
            .iter()
            .map(|it| BASE64.encode(&it.0) + "\n")
            .collect();
        format!(
            "c2sp.org/tlog-proof@v1\nindex {}\n{hashes}\n{}",
            self.index, self.checkpoint
        )
    }
}

/// How a log stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditStatus {
    /// Whose log.
    pub tenant: TenantId,
    /// Its name.
    pub origin: String,
    /// How many records it has.
    pub size: u64,
    /// First record that was not pruned.
    pub first_sequence: u64,
    /// The root of its tree.
    pub root: Digest,
    /// How many bulk records wait to be appended.
    pub waiting: u64,
    /// The size of the newest checkpoint that somebody else holds.
    pub anchored_size: Option<u64>,
    /// The same in words: how many records are not covered, or `not anchored`.
    pub anchoring: String,
}

impl AuditTrail {
    /// Writes the whole log as a bundle, with `checkpoints`. Returns how many records it holds.
    pub async fn export(
        &self,
        out: &mut (dyn Write + Send),
        checkpoints: &[SignedNote],
    ) -> Result<u64, AuditError> {
        self.flush().await?;
        let head = self.initialize().await?;
        let checkpoint = head.checkpoint();
        write_header(out, &self.tenant, &checkpoint)?;
        for leaf in self
            .store
            .leaves(&self.tenant, 0, head.first_sequence())
            .await?
        {
            write_line(out, &BundleLine::Leaf(leaf))?;
        }
        let (mut next, mut count) = (head.first_sequence(), 0);
        loop {
            let scan = Scan::range(next, head.last_sequence(), PIECE);
            let entries = self.store.scan(&self.tenant, &scan).await?;
            let Some(last) = entries.last() else { break };
            next = last.seq + 1;
            for entry in entries {
                write_line(out, &BundleLine::Record(entry))?;
                count += 1;
            }
        }
        for note in checkpoints {
            write_line(out, &BundleLine::Checkpoint(note.clone()))?;
        }
        out.flush().map_err(AuditError::storage)?;
        Ok(count)
    }

    /// Proves that record `sequence` is under `note`, a checkpoint of this log.
    pub async fn prove(
        &self,
        sequence: u64,
        note: &SignedNote,
    ) -> Result<InclusionProof, AuditError> {
        let size = Checkpoint::of_note(note)?.size;
        let leaves = self.store.leaves(&self.tenant, 0, size).await?;
        let missing = || AuditError::Range {
            start: sequence,
            end: sequence,
            last: size.saturating_sub(1),
        };
        let proof = InclusionProof {
            index: sequence,
            hashes: inclusion_proof(&leaves, sequence).ok_or_else(missing)?,
            leaf: usize::try_from(sequence)
                .ok()
                .and_then(|at| leaves.get(at).copied())
                .ok_or_else(missing)?,
            checkpoint: note.to_string(),
        };
        if proof.holds() {
            Ok(proof)
        } else {
            Err(AuditError::invalid("a checkpoint of this log", note.text()))
        }
    }

    /// Proves that the log of `size` records goes on from that of its first `old` ones.
    pub async fn prove_consistency(&self, old: u64, size: u64) -> Result<Vec<Digest>, AuditError> {
        let leaves = self.store.leaves(&self.tenant, 0, size).await?;
        let whole = leaves.len() as u64 == size;
        consistency_proof(&leaves, old)
            .filter(|_| whole)
            .ok_or(AuditError::Range {
                start: old,
                end: size,
                last: (leaves.len() as u64).saturating_sub(1),
            })
    }

    /// How the log stands; `anchor` is the newest checkpoint that somebody else is known to hold.
    pub async fn status(&self, anchor: Option<&SignedNote>) -> Result<AuditStatus, AuditError> {
        let head = self.initialize().await?;
        let checkpoint = head.checkpoint();
        let anchor = anchor.map(Checkpoint::of_note).transpose()?;
        let anchored_size = anchor
            .filter(|it| it.origin == checkpoint.origin)
            .map(|it| it.size);
        Ok(AuditStatus {
            tenant: self.tenant.clone(),
            size: checkpoint.size,
            first_sequence: head.first_sequence(),
            root: checkpoint.root,
            waiting: self.store.waiting(&self.tenant).await?,
            anchoring: match anchored_size {
                None => "not anchored".to_owned(),
                Some(size) => format!(
                    "anchored up to size {size}, {} records after that",
                    checkpoint.size.saturating_sub(size)
                ),
            },
            anchored_size,
            origin: checkpoint.origin,
        })
    }

    /// Keeps another log's checkpoint in this one: what a platform's log does for each tenant's.
    pub async fn log_anchor(&self, of: &Checkpoint) -> Result<AuditRecord, AuditError> {
        let event = AuditEvent::new(AuditEventType::LogAnchored)
            .with_attribute("origin", of.origin.clone())
            .with_attribute("root", of.root.to_string())
            .with_attribute("size", of.size.to_string());
        self.log(event).await
    }
}
