//! `llmteam audit`

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use llmteam::audit::verify::{Verdict, Verification, VerifyOptions, verify_bundle};
use llmteam::audit::{AuditQuery, AuditRecord, AuditTrail, CheckpointSigner, SignedNote};
use serde_json::json;

use crate::args::{Audit, Place};
use crate::error::CliError;
use crate::session::Session;
use crate::{exit, output};

/// Checks, shows, proves, signs and exports a tenant's log.
pub(super) async fn perform(args: Audit) -> Result<u8, CliError> {
    match args {
        Audit::Verify {
            bundle,
            vkey,
            since,
            place,
        } => {
            let options = VerifyOptions {
                checkpoints: notes(&since)?,
                keys: vkey,
                threads: std::thread::available_parallelism().map_or(1, usize::from),
                ..VerifyOptions::default()
            };
            let report = match bundle {
                Some(path) => verify_bundle(BufReader::new(open(&path)?), options)
                    .map_err(|error| unreadable(&path, &error))?,
                None => trail(&place).await?.verify(options).await?,
            };
            output::json(&report, true)?;
            say(&report);
            return Ok(match report.verdict {
                Verdict::Ok => exit::DONE,
                Verdict::Tampered | Verdict::Incomplete => exit::FAILED,
            });
        }
        Audit::Show {
            run,
            kind,
            actor,
            limit,
            json,
            place,
        } => {
            let query = AuditQuery {
                run_id: run,
                event_types: kind,
                actor_id: actor,
                limit,
                ..AuditQuery::default()
            };
            show(&trail(&place).await?.query(&query).await?, json)?;
        }
        Audit::Prove {
            sequence,
            checkpoint,
            place,
        } => {
            let proof = trail(&place)
                .await?
                .prove(sequence, &note(&checkpoint)?)
                .await?;
            output::line(proof.to_text().trim_end())?;
        }
        Audit::Checkpoint { key, state, place } => checkpoint(&key, state, &place).await?,
        Audit::Export {
            output: path,
            checkpoint,
            place,
        } => {
            let checkpoints = notes(&checkpoint)?;
            let trail = trail(&place).await?;
            let mut out = BufWriter::new(File::create(&path)?);
            let records = trail.export(&mut out, &checkpoints).await?;
            eprintln!("{records} records written to {}", path.display());
            output::json(&json!({ "records": records, "file": path }), true)?;
        }
        Audit::Status { anchor, place } => {
            let anchor = anchor.as_deref().map(note).transpose()?;
            let status = trail(&place).await?.status(anchor.as_ref()).await?;
            output::json(&status, true)?;
        }
    }
    Ok(exit::DONE)
}

/// The tenant's trail, with everything appended that waited.
async fn trail(place: &Place) -> Result<AuditTrail, CliError> {
    let session = Session::open(place).await?;
    let trail = session.trail()?;
    trail.flush().await?;
    Ok(trail)
}

async fn checkpoint(key: &Path, state: Option<PathBuf>, place: &Place) -> Result<(), CliError> {
    let state = state.unwrap_or_else(|| key.with_extension("signed"));
    let mut signer = CheckpointSigner::open(key, state)?;
    let trail = trail(place).await?;
    let note = signer.sign(&trail).await?;
    let origin = trail.initialize().await?;
    for key in signer.keys(origin.origin())? {
        eprintln!("verify with: --vkey {key}");
    }
    output::line(note.to_string().trim_end())
}

/// What was found, for a person.
fn say(report: &Verification) {
    match report.first_bad() {
        None => eprintln!(
            "{} records, nothing wrong; {} of them are under a signed checkpoint",
            report.size, report.covered_size
        ),
        Some((seq, rule)) => eprintln!("record {seq} breaks {rule:?}; see the report"),
    }
    for gap in &report.not_detectable {
        eprintln!("not detectable: {gap}");
    }
}

fn show(records: &[AuditRecord], json: bool) -> Result<(), CliError> {
    if output::wants_json(json) {
        return output::json(&records, true);
    }
    let rows: Vec<_> = records
        .iter()
        .map(|it| {
            [
                it.sequence_number().to_string(),
                it.timestamp().to_string(),
                it.event_type().to_string(),
                it.actor_id().to_owned(),
                it.run_id().to_owned(),
                it.error_message().to_owned(),
            ]
        })
        .collect();
    output::table(["SEQ", "TIME", "EVENT", "ACTOR", "RUN", "ERROR"], &rows)
}

fn notes(paths: &[PathBuf]) -> Result<Vec<SignedNote>, CliError> {
    paths.iter().map(|path| note(path)).collect()
}

fn note(path: &Path) -> Result<SignedNote, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    // A line end more or less is what an editor does to a file, not to a checkpoint.
    format!("{}\n", text.trim_end())
        .parse()
        .map_err(|error: llmteam::audit::AuditError| unreadable(path, &error))
}

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::FileUnreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
