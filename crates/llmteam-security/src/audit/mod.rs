//! Who did what, per tenant, in a log that shows when it was changed.
//!
//! Invariant: one hash per record is both its link in the chain and its leaf in the tree, so the two cannot tell
//! different stories; and it covers every field.
//! This module does not know what is worth recording, nor who may read it.

pub mod checkpoint;
pub mod hash;
pub mod legacy;
pub mod lta1;
pub mod note;
pub mod payload;
pub mod tree;

#[allow(dead_code, reason = "used by the stores to come")]
mod encode;
#[allow(dead_code, reason = "used by the stores to come")]
mod error;
#[allow(dead_code, reason = "used by the stores to come")]
mod event;
mod event_type;
#[allow(dead_code, reason = "used by the stores to come")]
mod json;
mod random;
#[allow(dead_code, reason = "used by the stores to come")]
mod record;
#[allow(dead_code, reason = "used by the stores to come")]
mod wire;

pub use self::{
    checkpoint::Checkpoint,
    error::{AuditError, AuditIntegrityError},
    event::{Actor, AuditEvent},
    event_type::{ActorType, AuditEventType, AuditSeverity},
    hash::Digest,
    note::{NoteKey, NoteSigner, SignedNote},
    record::{AuditId, AuditRecord, generate_audit_id},
};
