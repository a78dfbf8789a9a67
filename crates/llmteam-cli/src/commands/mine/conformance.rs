//! `llmteam mine conformance`

use std::path::Path;
use std::sync::Arc;

use llmteam::canvas::definition::SegmentDefinition;
use llmteam::canvas::plan::ExecutionPlan;
use llmteam::canvas::runner::SegmentRunner;
use llmteam::id::SegmentId;
use llmteam::mining::{
    Conformance, StepDeviation, VersionCases, cases_by_definition, conformance_with_plan,
    deviation_word,
};
use llmteam::roles::mining::SearchBound;
use serde::Serialize;

use super::percent;
use super::source::{self, Mined};
use crate::args::Source;
use crate::error::CliError;
use crate::{exit, input, output};

/// The runs of one definition.
#[derive(Serialize)]
struct Version {
    /// The digest of the definition; none in a log that names none.
    definition: Option<String>,
    runs: usize,
    /// Beside the definition that they are pinned to; none where the database does not have it.
    as_started: Option<Conformance>,
    /// Beside the file, where there is one and it is another design.
    as_designed_now: Option<Conformance>,
}

#[derive(Serialize)]
struct Report {
    segment: String,
    /// The digest of the file's plan.
    design: Option<String>,
    versions: Vec<Version>,
}

/// Compares runs with what was designed.
pub(super) async fn perform(
    design: &str,
    bound: usize,
    source: &Source,
    json: bool,
) -> Result<u8, CliError> {
    let file = design_of(design)?;
    let segment = match &file {
        Some((definition, _)) => definition.segment_id.as_str(),
        None => design,
    };
    let segment: SegmentId = segment.parse().map_err(|_| {
        CliError::usage(format!(
            "`{design}` is neither a file nor the id of a segment"
        ))
    })?;
    if source.segment.as_ref().is_some_and(|it| *it != segment) {
        return Err(CliError::usage(format!(
            "`--segment` names another segment than `{segment}`"
        )));
    }
    if source.log.is_some() && file.is_none() {
        return Err(CliError::usage(
            "a log from a file is compared with a segment file; name one",
        ));
    }
    let mined = source::read(source, Some(segment.clone())).await?;
    let now = file.map(|it| it.1);
    let report = Report {
        segment: segment.to_string(),
        design: now.as_ref().map(|it| it.digest().to_owned()),
        versions: versions(&mined, now.as_ref(), SearchBound { states: bound })?,
    };
    if output::wants_json(json) {
        output::json(&report, true)?;
    } else {
        show(&report)?;
    }
    Ok(exit::DONE)
}

/// The segment in a file, if it is one: an id has neither dots nor slashes.
fn design_of(design: &str) -> Result<Option<(SegmentDefinition, Arc<ExecutionPlan>)>, CliError> {
    let path = Path::new(design);
    if !design.contains(['.', '/', '\\']) && !path.is_file() {
        return Ok(None);
    }
    let definition = input::segment(path)?;
    let plan = Arc::clone(SegmentRunner::in_memory().prepare(&definition)?.plan());
    Ok(Some((definition, plan)))
}

fn versions(
    mined: &Mined,
    now: Option<&Arc<ExecutionPlan>>,
    bound: SearchBound,
) -> Result<Vec<Version>, CliError> {
    let each = cases_by_definition(&mined.log).into_iter().map(|version| {
        let VersionCases { definition, cases } = version;
        let compare = |plan| conformance_with_plan(&mined.log, &cases, plan, bound);
        let own = definition.as_ref().and_then(|it| mined.plans.get(it));
        let other = now.filter(|now| own.is_none_or(|own| own.digest() != now.digest()));
        Ok(Version {
            runs: cases.len(),
            as_started: own.map(compare).transpose()?,
            as_designed_now: other.map(compare).transpose()?,
            definition,
        })
    });
    each.collect()
}

fn show(report: &Report) -> Result<(), CliError> {
    for version in &report.versions {
        let name = version.definition.as_deref().map_or("log", |it| short(it));
        if let Some(it) = &version.as_started {
            show_one(&format!("{} {name}, as started", report.segment), it)?;
        }
        if let Some(it) = &version.as_designed_now {
            let now = report.design.as_deref().map_or("", |it| short(it));
            show_one(
                &format!("{} {name}, as designed now ({now})", report.segment),
                it,
            )?;
        }
    }
    Ok(())
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn show_one(title: &str, it: &Conformance) -> Result<(), CliError> {
    let figure = |it: Option<f64>| it.map_or("not computed".to_owned(), |it| format!("{it:.3}"));
    let share = if it.runs == 0 {
        1.0
    } else {
        it.conforming as f64 / it.runs as f64
    };
    output::line(title)?;
    output::line(&format!(
        "  {} of {} runs as designed ({}), {} without an end",
        it.conforming,
        it.runs,
        percent(share),
        it.unfinished
    ))?;
    output::line(&format!(
        "  fitness {:.3}, by tokens {}, precision {}",
        it.fitness,
        figure(it.token_fitness),
        figure(it.precision)
    ))?;
    it.deviations
        .iter()
        .try_for_each(|it| output::line(&format!("  {}", deviation(it))))
}

fn deviation(it: &StepDeviation) -> String {
    let place = it
        .after
        .as_ref()
        .map_or("at the beginning".to_owned(), |it| format!("after {it}"));
    let unknown = if it.designed {
        ""
    } else {
        ", not in the design"
    };
    format!(
        "{} {} {place}{unknown}: {} runs, {} times, as in {}",
        deviation_word(it.kind),
        it.step,
        it.runs,
        it.times,
        it.examples.join(", ")
    )
}
