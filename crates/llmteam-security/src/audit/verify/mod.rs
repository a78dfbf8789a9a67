//! Checks a log without the program that wrote it: no store, no network, nothing asynchronous.
//!
//! Invariant: each finding names its rule, and where it can the sequence number; a log that was not touched has none.
//! What it cannot see without a checkpoint from outside, it says in its report.
//! It does not know who may sign: keys are the caller's.
//!
//! | rule | what is checked |
//! |---|---|
//! | V1 | every record decodes strictly |
//! | V2 | sequence numbers have no gap, from 0 or from where the log was pruned |
//! | V3 | every hash and every link is right |
//! | V4 | the root at the size of each held checkpoint, and of the stored head, is the one stated |
//! | V5 | each checkpoint is signed by a known key |
//! | V6 | the log has not become shorter than a held checkpoint, and no two of them disagree |
//! | V7 | copies agree with the record |
//! | V8 | each payload is there and is the one committed to, or was erased by a record that says so |
//! | V9 | epochs never go down; times that do are a warning |
//! | V10 | the log is the tenant's |
//! | V11 | the platform's log has seen the same roots |
//! | V12 | as many witnesses as demanded have signed the newest checkpoint |

mod bundle;
mod chain;
mod entry;
mod report;
#[cfg(test)]
pub(super) mod tests;

pub(super) use self::bundle::write_header;
pub use self::{
    bundle::{BundleHeader, BundleLine, verify_bundle, write_line},
    chain::{Verifier, VerifyOptions, anchors},
    report::{Finding, Payloads, Rule, Verdict, Verification},
};
