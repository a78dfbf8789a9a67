//! `llmteam mine`: what runs did, read from the run journal or from a file.

mod conformance;
mod discover;
mod draw;
mod export;
mod performance;
mod source;
mod variants;

use crate::args::Mine;
use crate::error::CliError;

/// Discovers, lists, measures, compares or exports.
pub(super) async fn perform(args: Mine) -> Result<u8, CliError> {
    match args {
        Mine::Discover {
            miner,
            noise,
            drawing,
            source,
            json,
        } => discover::perform(miner, noise, drawing, &source, json).await,
        Mine::Variants {
            limit,
            source,
            json,
        } => variants::perform(limit, &source, json).await,
        Mine::Performance { source, json } => performance::perform(&source, json).await,
        Mine::Conformance {
            design,
            bound,
            source,
            json,
        } => conformance::perform(&design, bound, &source, json).await,
        Mine::Export {
            format,
            output,
            source,
        } => export::perform(format, output.as_deref(), &source).await,
    }
}

/// Seconds as a person reads them.
fn seconds(span: f64) -> String {
    match span.abs() {
        it if it >= 3600.0 => format!("{:.1} h", span / 3600.0),
        it if it >= 60.0 => format!("{:.1} min", span / 60.0),
        it if it >= 1.0 => format!("{span:.1} s"),
        0.0 => "0".to_owned(),
        _ => format!("{:.1} ms", span * 1e3),
    }
}

/// A share as a person reads it.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
