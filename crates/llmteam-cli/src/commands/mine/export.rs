//! `llmteam mine export`

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use llmteam::roles::mining::{
    EventLog, ObjectLog, XesOptions, export_ocel_json, export_ocel_xml, export_xes,
};

use super::source;
use crate::args::{LogFormat, Source};
use crate::error::CliError;
use crate::exit;

/// Writes runs as an event log. Those of several segments may stand in one: each says what it is a run of.
pub(super) async fn perform(
    format: LogFormat,
    output: Option<&Path>,
    source: &Source,
) -> Result<u8, CliError> {
    let log = source::read(source, source.segment.clone()).await?.log;
    match output {
        Some(path) => {
            write(&log, format, &mut BufWriter::new(File::create(path)?))?;
            eprintln!("{} runs written to {}", log.case_count(), path.display());
        }
        None => match write(&log, format, &mut BufWriter::new(io::stdout().lock())) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written?,
        },
    }
    Ok(exit::DONE)
}

fn write(log: &EventLog, format: LogFormat, out: &mut impl Write) -> io::Result<()> {
    match format {
        LogFormat::Xes => export_xes(log, out, XesOptions::default())?,
        LogFormat::Ocel => export_ocel_json(&ObjectLog::from(log), out)?,
        LogFormat::OcelXml => export_ocel_xml(&ObjectLog::from(log), out)?,
    }
    out.flush()
}
