//! What can be typed. Usage errors are answered by clap, with exit code 2.

mod audit;
mod license;
mod mine;
mod tenants;

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand};
use llmteam::id::{InstanceId, RequestId, RunId, SegmentId, TenantId};
use llmteam::persistence::RunState;

pub(crate) use self::{
    audit::Audit,
    license::{Issue, License},
    mine::{Drawing, LogFormat, Mine, Miner, Source},
    tenants::Tenants,
};

/// Runs workflows of language-model agents, people and services.
#[derive(Debug, Parser)]
#[command(name = "llmteam", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a segment
    Run(Run),
    /// Go on with a run that was interrupted, is paused, or waits
    Resume(Resume),
    /// List, show, cancel or pause runs
    #[command(subcommand)]
    Runs(Runs),
    /// List, show and answer what runs ask people
    #[command(subcommand)]
    Tasks(Tasks),
    /// Check, show, prove and export the audit log
    #[command(subcommand)]
    Audit(Audit),
    /// Learn from runs: what they did, how long it took, and whether it was as designed
    #[command(subcommand)]
    Mine(Mine),
    /// List, make and delete tenants
    #[command(subcommand)]
    Tenants(Tenants),
    /// Show, verify and issue licences
    #[command(subcommand)]
    License(License),
    /// Say everything that is wrong with a segment
    Validate(Validate),
    /// List the step types
    Catalog {
        /// Print JSON even on a terminal
        #[arg(short, long)]
        json: bool,
    },
    /// Print the JSON Schema of segments
    Schema,
    /// Show how a segment will run
    Plan(Plan),
    /// Print version, build and components
    Version {
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
    },
}

/// Where runs are kept and what they may reach.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Configuration file [default: llmteam.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "LLMTEAM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Database, or `memory:` to keep nothing [default: sqlite:llmteam.db]
    #[arg(long, value_name = "URL", env = "LLMTEAM_DB")]
    pub(crate) db: Option<String>,
    /// Tenant
    #[arg(
        long,
        value_name = "ID",
        env = "LLMTEAM_TENANT",
        default_value = "default"
    )]
    pub(crate) tenant: TenantId,
}

/// How a result is printed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Printing {
    /// Also write the result to a file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the run's events to standard output, one JSON object per line, the result last
    #[arg(long)]
    pub(crate) events: bool,
    /// Print the result over several lines (the default)
    #[arg(long, overrides_with = "no_pretty")]
    pretty: bool,
    /// Print the result on one line
    #[arg(long, overrides_with = "pretty")]
    no_pretty: bool,
}

impl Printing {
    /// Whether the result goes over several lines; with events it is one line like them.
    pub(crate) fn is_pretty(&self) -> bool {
        !self.no_pretty && !self.events
    }
}

/// `llmteam run`
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Segment file
    #[arg(value_name = "SEGMENT")]
    pub(crate) segment: PathBuf,
    /// File with the run input
    #[arg(short, long, value_name = "FILE", conflicts_with = "input_json")]
    pub(crate) input: Option<PathBuf>,
    /// The run input itself
    #[arg(short = 'j', long, value_name = "JSON")]
    pub(crate) input_json: Option<String>,
    /// Longest running time in seconds [default: the segment's own]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<std::time::Duration>,
    /// Id of the run [default: generated]
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<RunId>,
    /// Instance whose state the run works on [default: the run]
    #[arg(long, value_name = "ID")]
    pub(crate) instance: Option<InstanceId>,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `llmteam resume`
#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The run
    pub(crate) run: RunId,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `llmteam runs`
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List runs, newest first
    List {
        /// Only runs in this state; may be repeated
        #[arg(long, value_name = "STATE")]
        status: Vec<RunState>,
        /// Only runs of this segment
        #[arg(long, value_name = "ID")]
        segment: Option<SegmentId>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Show one run
    Show {
        /// The run
        run: RunId,
        #[command(flatten)]
        place: Place,
    },
    /// Cancel a run
    Cancel {
        /// The run
        run: RunId,
        /// Why
        #[arg(long, default_value = "cancelled on the command line")]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Pause a run that waits
    Pause {
        /// The run
        run: RunId,
        #[command(flatten)]
        place: Place,
    },
}

/// `llmteam tasks`
#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// List what can be answered
    List {
        /// Closed ones too
        #[arg(long)]
        all: bool,
        /// Only those of this run
        #[arg(long, value_name = "ID")]
        run: Option<RunId>,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Show one request
    Show {
        /// The request
        request: RequestId,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Answer a request and go on with its run
    Answer(TaskAnswer),
}

/// `llmteam tasks answer`
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("answer").required(true).multiple(false))]
pub(crate) struct TaskAnswer {
    /// The request
    pub(crate) request: RequestId,
    /// Yes
    #[arg(long, group = "answer")]
    pub(crate) approve: bool,
    /// No
    #[arg(long, group = "answer")]
    pub(crate) reject: bool,
    /// One of the options, by id or label
    #[arg(long, value_name = "OPTION", group = "answer")]
    pub(crate) choose: Option<String>,
    /// The data asked for, an object
    #[arg(long, value_name = "JSON", group = "answer")]
    pub(crate) input: Option<String>,
    /// What the subject should become, an object
    #[arg(long, value_name = "JSON", group = "answer")]
    pub(crate) changes: Option<String>,
    /// A remark
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Record the answer and leave the run to `llmteam resume`
    #[arg(long)]
    pub(crate) no_resume: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) printing: Printing,
}

/// `llmteam validate`
#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    /// Segment file
    #[arg(value_name = "SEGMENT")]
    pub(crate) segment: PathBuf,
    /// A warning makes the segment invalid (the default)
    #[arg(long, overrides_with = "no_strict")]
    strict: bool,
    /// Only errors make the segment invalid
    #[arg(long, overrides_with = "strict")]
    pub(crate) no_strict: bool,
    /// Print JSON even on a terminal
    #[arg(long)]
    pub(crate) json: bool,
}

/// `llmteam plan`
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    /// Segment file
    #[arg(value_name = "SEGMENT")]
    pub(crate) segment: PathBuf,
    /// Draw it for Graphviz
    #[arg(long, conflicts_with = "mermaid")]
    pub(crate) dot: bool,
    /// Draw it for Mermaid
    #[arg(long)]
    pub(crate) mermaid: bool,
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number of seconds"))?;
    let span = std::time::Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|it| !it.is_zero());
    span.ok_or_else(|| format!("`{text}` is no time that a run can take"))
}
