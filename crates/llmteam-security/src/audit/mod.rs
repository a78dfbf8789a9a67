//! Who did what, per tenant, in a log that shows when it was changed.
//!
//! Invariant: one hash per record is both its link in the chain and its leaf in the tree, so the two cannot tell
//! different stories; and it covers every field.
//! This module does not know what is worth recording, nor who may read it.
//!
//! ```
//! use std::sync::Arc;
//! use llmteam_security::{SystemClock, audit::{
//!     Actor, AuditEvent, AuditEventType, AuditQuery, AuditTrail, MemoryAuditStore, verify::VerifyOptions,
//! }};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryAuditStore::new()?);
//! let trail = AuditTrail::new(store, "acme".parse()?, Arc::new(SystemClock));
//! let event = AuditEvent::new(AuditEventType::ApprovalGranted)
//!     .by(Actor::user(&"alice".parse()?))
//!     .with_run("run_1")
//!     .on("approval_request", "req_1");
//! let record = trail.log(event).await?;
//! assert_eq!(record.sequence_number(), 1);
//!
//! let query = AuditQuery { actor_id: Some("alice".into()), ..AuditQuery::default() };
//! assert_eq!(trail.query(&query).await?, [record]);
//! assert!(trail.verify(VerifyOptions::default()).await?.is_valid());
//! # Ok(())
//! # }
//! ```
//!
//! One append, from call to leaf: [`trail`] (asks the store for the end of the log, under its lock), `prepare` (secrets
//! out, sizes bounded), `seal` (numbers, links, bytes, hash), `encode` over [`lta1`] (the bytes), [`store`] (kept).

pub mod checkpoint;
pub mod entry;
pub mod hash;
pub mod keys;
pub mod legacy;
pub mod lta1;
pub mod note;
pub mod payload;
pub mod query;
pub mod report;
pub mod store;
pub mod trail;
pub mod tree;
pub mod verify;

mod aware;
mod encode;
mod error;
mod event;
mod event_type;
mod export;
mod find;
mod head;
mod json;
mod log;
mod prepare;
mod random;
mod record;
mod retention;
mod seal;
mod sequencer;
mod signer;
mod trails;
mod wire;

#[cfg(feature = "postgres")]
pub use self::store::PostgresAuditStore;
#[cfg(feature = "sqlite")]
pub use self::store::SqliteAuditStore;
pub use self::{
    aware::TenantAwareAuditTrail,
    checkpoint::Checkpoint,
    error::{AuditError, AuditIntegrityError},
    event::{Actor, AuditEvent},
    event_type::{ActorType, AuditEventType, AuditSeverity},
    export::{AuditStatus, InclusionProof},
    find::ChainVerification,
    hash::Digest,
    head::ChainHead,
    keys::PayloadKeys,
    note::{NoteKey, NoteSigner, SignedNote},
    prepare::Redactor,
    query::{AuditQuery, OrderBy},
    record::{AuditId, AuditRecord, generate_audit_id},
    report::{AuditReport, ChainVerdict},
    sequencer::AuditSequencer,
    signer::CheckpointSigner,
    store::{AuditStore, MemoryAuditStore},
    trail::{AuditTrail, TrailOptions},
    trails::AuditTrails,
};
