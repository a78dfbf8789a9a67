//! `llmteam audit` as it is typed.

use std::path::PathBuf;

use clap::Subcommand;
use llmteam::audit::{AuditEventType, NoteKey};

use super::Place;

/// `llmteam audit`
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check a log, or an exported one, record by record
    Verify {
        /// Check this exported log; no database is opened
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// A key whose checkpoints count; may be repeated
        #[arg(long, value_name = "KEY")]
        vkey: Vec<NoteKey>,
        /// A checkpoint that was kept elsewhere; may be repeated
        #[arg(long, value_name = "FILE")]
        since: Vec<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Show what was recorded, newest first
    Show {
        /// Only of this run
        #[arg(long, value_name = "ID")]
        run: Option<String>,
        /// Only this kind, such as `pipeline.failed`; may be repeated
        #[arg(long = "type", value_name = "TYPE")]
        kind: Vec<AuditEventType>,
        /// Only what this principal did
        #[arg(long, value_name = "ID")]
        actor: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Prove that a record is under a checkpoint
    Prove {
        /// Its sequence number
        sequence: u64,
        /// The checkpoint
        #[arg(long, value_name = "FILE")]
        checkpoint: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Sign the end of the log
    Checkpoint {
        /// File of the signing key; made when it is not there
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File that remembers what was signed [default: the key's file with the ending `.signed`]
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Write the whole log to a file that anybody can check
    Export {
        /// The file
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// A checkpoint to put in; may be repeated
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Say how long the log is and how much of it is anchored
    Status {
        /// The newest checkpoint that somebody else holds
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
}
