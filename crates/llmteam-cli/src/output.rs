//! Writing data to standard output. A reader that has gone away is no error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use llmteam::canvas::runner::SegmentResult;
use llmteam::events::ErrorInfo;
use llmteam::human::InteractionRequest;
use serde::Serialize;
use serde_json::Value;

use crate::error::CliError;

/// The result object of a run as scripts read it.
#[derive(Serialize)]
pub(crate) struct ResultObject<'a> {
    run_id: &'a str,
    status: &'static str,
    output: &'a Value,
    error: Option<&'a ErrorInfo>,
    steps_completed: u32,
    duration_ms: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pending_requests: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_id: Option<&'a str>,
}

impl<'a> From<&'a SegmentResult> for ResultObject<'a> {
    fn from(result: &'a SegmentResult) -> Self {
        Self {
            run_id: result.run_id.as_str(),
            status: result.status.as_str(),
            output: &result.output,
            error: result.error.as_ref(),
            steps_completed: result.steps_completed,
            duration_ms: result.duration_ms,
            pending_requests: &result.pending_requests,
            snapshot_id: result.snapshot_id.as_deref(),
        }
    }
}

/// A value as JSON text, over several lines or on one.
pub(crate) fn json_text(value: &impl Serialize, pretty: bool) -> Result<String, CliError> {
    Ok(match pretty {
        true => serde_json::to_string_pretty(value)?,
        false => serde_json::to_string(value)?,
    })
}

/// Writes a value as JSON.
pub(crate) fn json(value: &impl Serialize, pretty: bool) -> Result<(), CliError> {
    line(&json_text(value, pretty)?)
}

/// Writes text and a line end.
pub(crate) fn line(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether to write JSON: asked for, or nobody looks.
pub(crate) fn wants_json(asked: bool) -> bool {
    asked || !io::stdout().is_terminal()
}

/// Rows in columns as wide as their widest cell.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Result<(), CliError> {
    let widths: [usize; N] = std::array::from_fn(|at| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([head[at].len()]).max().unwrap_or(0)
    });
    let write = |cells: [&str; N]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        line(padded.join("  ").trim_end())
    };
    write(head)?;
    rows.iter()
        .try_for_each(|row| write(std::array::from_fn(|at| row[at].as_str())))
}

/// What is asked, for a person.
pub(crate) fn question(request: &InteractionRequest) -> String {
    let mut text = format!("{} ({})", request.title, request.interaction_type);
    if !request.description.is_empty() {
        text = format!("{text}\n{}", request.description);
    }
    let shown = match &request.context_data {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    format!("{text}\n{shown}")
}
