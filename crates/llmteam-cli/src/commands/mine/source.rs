//! Where the log of a command comes from: the journal of the database, or a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use llmteam::canvas::catalog::StepCatalog;
use llmteam::canvas::plan::ExecutionPlan;
use llmteam::id::SegmentId;
use llmteam::mining::{RunSelection, read_runs};
use llmteam::roles::mining::{
    EventLog, LogOptions, ReadLimits, XesImport, flatten, import_ocel_json, import_ocel_xml,
    import_xes,
};

use crate::args::Source;
use crate::error::CliError;
use crate::session::Session;

/// A log, and the plans of its runs where the database knows them.
pub(super) struct Mined {
    pub(super) log: EventLog,
    pub(super) plans: BTreeMap<String, Arc<ExecutionPlan>>,
    pub(super) segments: Vec<String>,
}

/// The log of one segment's runs: models of several at once would say nothing.
pub(super) async fn read_one(source: &Source) -> Result<Mined, CliError> {
    let mined = read(source, source.segment.clone()).await?;
    if let [first, _, ..] = &mined.segments[..] {
        return Err(CliError::Usage {
            message: format!(
                "the runs are of several segments: {}",
                mined.segments.join(", ")
            ),
            hint: Some(format!("choose one, as in `--segment {first}`")),
        });
    }
    Ok(mined)
}

/// The log that a command is about. What could not be read is told, and left out.
pub(super) async fn read(source: &Source, segment: Option<SegmentId>) -> Result<Mined, CliError> {
    if let Some(path) = &source.log {
        return Ok(Mined {
            log: of_file(path, &source.objects)?,
            plans: BTreeMap::new(),
            segments: Vec::new(),
        });
    }
    let session = Session::open(&source.place).await?;
    let selection = RunSelection {
        segment,
        definition: source.definition.clone(),
        since: source.since,
        until: source.until,
        states: source.status.clone(),
    };
    let catalog = StepCatalog::with_builtins();
    let runs = read_runs(&*session.journal, &session.tenant, &selection, &catalog).await?;
    for it in &runs.skipped {
        eprintln!("warning: run {} is left out: {}", it.run, it.reason);
    }
    if runs.log.case_count() == 0 {
        eprintln!("no runs are recorded that fit");
    }
    let segments = runs.segments().into_iter().map(str::to_owned).collect();
    Ok(Mined {
        log: runs.log,
        plans: runs.plans,
        segments,
    })
}

/// The log in a file, whose form its name tells.
fn of_file(path: &Path, objects: &str) -> Result<EventLog, CliError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => CliError::FileNotFound(path.to_owned()),
        _ => unreadable(path, &error),
    })?;
    let name = path.to_string_lossy().to_ascii_lowercase();
    let is = |endings: &[&str]| endings.iter().any(|it| name.ends_with(it));
    let limits = ReadLimits::default();
    let of_objects = if is(&[".xes", ".xes.gz"]) {
        let read = import_xes(file, LogOptions::default(), limits)
            .map_err(|error| unreadable(path, &error))?;
        warn(&read);
        return Ok(read.log);
    } else if is(&[".json", ".jsonocel"]) {
        import_ocel_json(file, limits)
    } else if is(&[".xml", ".xmlocel"]) {
        import_ocel_xml(file, limits)
    } else {
        return Err(CliError::usage(format!(
            "`{}` is no log by its name: it ends neither in .xes, .xes.gz nor, for OCEL, in .json or .xml",
            path.display()
        )));
    };
    let of_objects = of_objects.map_err(|error| unreadable(path, &error))?;
    Ok(flatten(&of_objects, objects)?)
}

fn warn(read: &XesImport) {
    let it = read.warnings;
    for (count, what) in [
        (
            it.dates_without_zone,
            "dates have no zone and are read as UTC",
        ),
        (
            it.other_transitions,
            "events are neither start, end, suspension nor resumption and are left out",
        ),
        (it.within_fields, "attributes within fields are left out"),
    ] {
        if count > 0 {
            eprintln!("warning: {count} {what}");
        }
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::FileUnreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
