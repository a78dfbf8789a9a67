//! `llmteam runs`

use llmteam::canvas::runner::RunnerError;
use llmteam::persistence::{RunFilter, RunRow};
use serde_json::{Value, json};

use crate::args::Runs;
use crate::error::CliError;
use crate::session::Session;
use crate::{exit, output};

/// Lists, shows, cancels or pauses runs.
pub(super) async fn perform(args: Runs) -> Result<u8, CliError> {
    match args {
        Runs::List {
            status,
            segment,
            limit,
            json,
            place,
        } => {
            let session = Session::open(&place).await?;
            let filter = RunFilter {
                states: status,
                segment,
                limit,
                ..RunFilter::default()
            };
            list(&session.journal.runs(&session.tenant, filter).await?, json)?;
        }
        Runs::Show { run, place } => {
            let session = Session::open(&place).await?;
            output::json(&shown(&session.row(&run).await?), true)?;
        }
        Runs::Cancel { run, reason, place } => {
            let session = Session::open(&place).await?;
            session.row(&run).await?;
            let cancelled = session
                .runner
                .cancel(&session.tenant, &run, &reason, false)
                .await?;
            let row = session.row(&run).await?;
            if !cancelled {
                return Err(RunnerError::RunOver {
                    run_id: run,
                    status: row.state,
                }
                .into());
            }
            output::json(&json!({ "run_id": run, "status": row.state }), true)?;
        }
        Runs::Pause { run, place } => {
            let session = Session::open(&place).await?;
            let snapshot = session.runner.pause(&session.tenant, &run).await?;
            let row = session.row(&run).await?;
            if snapshot.is_none() {
                return Err(RunnerError::RunOver {
                    run_id: run,
                    status: row.state,
                }
                .into());
            }
            output::json(
                &json!({ "run_id": run, "status": row.state, "snapshot_id": snapshot }),
                true,
            )?;
            eprintln!("go on with: {}", session.command(&format!("resume {run}")));
        }
    }
    Ok(exit::DONE)
}

fn list(rows: &[RunRow], json: bool) -> Result<(), CliError> {
    if output::wants_json(json) {
        return output::json(&rows.iter().map(shown).collect::<Vec<_>>(), true);
    }
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                row.run.to_string(),
                row.segment.to_string(),
                row.state.to_string(),
                row.started_at.to_string(),
            ]
        })
        .collect();
    output::table(["RUN", "SEGMENT", "STATUS", "STARTED"], &rows)
}

/// A run as JSON.
fn shown(row: &RunRow) -> Value {
    json!({
        "run_id": row.run,
        "segment_id": row.segment,
        "instance_id": row.instance,
        "status": row.state,
        "started_at": row.started_at,
        "updated_at": row.updated_at,
        "owner": row.owner.as_ref().map(ToString::to_string),
        "records": row.next_index,
        "result": row.summary,
    })
}
