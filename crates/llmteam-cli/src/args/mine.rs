//! `llmteam mine` as it is typed.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use llmteam::clock::Timestamp;
use llmteam::id::SegmentId;
use llmteam::persistence::RunState;

use super::Place;

/// `llmteam mine`
#[derive(Debug, Subcommand)]
pub(crate) enum Mine {
    /// Show what followed what, or a model of it
    Discover {
        /// How a model is found
        #[arg(long, value_enum, default_value_t = Miner::Dfg)]
        miner: Miner,
        /// What happens rarer than this share of its alternatives is left out (inductive, heuristics)
        #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
        noise: f64,
        #[command(flatten)]
        drawing: Drawing,
        #[command(flatten)]
        source: Source,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
    },
    /// List the ways that runs took, the commonest first
    Variants {
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        source: Source,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
    },
    /// Show how long steps take and are waited for, what is done again and who hands over to whom
    Performance {
        #[command(flatten)]
        source: Source,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
    },
    /// Compare runs with what was designed
    ///
    /// Each run is compared with the definition that it is pinned to and, where SEGMENT is a file, with the file as well.
    Conformance {
        /// Segment file, or the id of a segment whose runs are recorded
        #[arg(value_name = "SEGMENT")]
        design: String,
        /// The most states that one search may visit
        #[arg(long, value_name = "N", default_value_t = 500_000)]
        bound: usize,
        #[command(flatten)]
        source: Source,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
    },
    /// Write runs as an event log
    Export {
        /// The form of the log
        #[arg(long, value_enum, default_value_t = LogFormat::Xes)]
        format: LogFormat,
        /// The file [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        source: Source,
    },
}

/// Where runs are read from, and which of them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Source {
    /// Read a file instead of the database: XES, packed or not, or OCEL as JSON or XML
    #[arg(long, value_name = "FILE", conflicts_with_all = ["segment", "definition", "since", "until", "status"])]
    pub(crate) log: Option<PathBuf>,
    /// Only runs of this segment
    #[arg(long, value_name = "ID")]
    pub(crate) segment: Option<SegmentId>,
    /// Only runs of the definition whose digest begins so
    #[arg(long, value_name = "DIGEST")]
    pub(crate) definition: Option<String>,
    /// Only runs that began then or later, as in 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Only runs that began before then
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
    /// Only runs in this state; may be repeated
    #[arg(long, value_name = "STATE")]
    pub(crate) status: Vec<RunState>,
    /// The objects that are cases in an OCEL file
    #[arg(long, value_name = "TYPE", default_value = "run", requires = "log")]
    pub(crate) objects: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// How a model is drawn.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct Drawing {
    /// Draw it for Graphviz
    #[arg(long)]
    pub(crate) dot: bool,
    /// Draw it for Mermaid
    #[arg(long)]
    pub(crate) mermaid: bool,
    /// Write the net as PNML (inductive)
    #[arg(long)]
    pub(crate) pnml: bool,
}

/// How a model is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Miner {
    /// What directly followed what: no model, just counts
    Dfg,
    /// A process tree that is sound whatever the log
    Inductive,
    /// What depends on what, however noisy the log
    Heuristics,
}

/// The form of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// IEEE 1849
    Xes,
    /// OCEL 2.0 as JSON
    Ocel,
    /// OCEL 2.0 as XML
    OcelXml,
}
