//! `llmteam license` as it is typed.

use std::path::PathBuf;

use clap::Subcommand;
use llmteam::licensing::{Day, LicenseTier, Limit};

/// `llmteam license`
#[derive(Debug, Subcommand)]
pub(crate) enum License {
    /// Show what a licence says, or without one what is in force here
    Show {
        /// The licence [default: LLMTEAM_LICENSE_KEY, then .llmteam/license.key of the user's directory]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        trust: Trust,
        /// Print JSON even on a terminal
        #[arg(long)]
        json: bool,
    },
    /// Check that a licence is signed by a trusted key and counts today
    Verify {
        /// The licence
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        trust: Trust,
    },
    /// Sign a licence
    Issue(Issue),
    /// Make a key that signs licences, and print its public half
    Keygen {
        /// What it is called in licences, such as the name of who issues them
        #[arg(long)]
        name: String,
        /// File for the private half; must not be there yet
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

/// Whose licences count.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Trust {
    /// A public key whose licences count; may be repeated
    #[arg(
        long = "trust",
        value_name = "KEY",
        env = "LLMTEAM_LICENSE_TRUST",
        value_delimiter = ','
    )]
    pub(crate) keys: Vec<String>,
}

/// `llmteam license issue`
#[derive(Debug, clap::Args)]
pub(crate) struct Issue {
    /// File of the private key, as `keygen` made it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// community, professional or enterprise
    #[arg(long)]
    pub(crate) tier: LicenseTier,
    /// Who may use it
    #[arg(long, value_name = "TEXT")]
    pub(crate) owner: String,
    /// How to reach them
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: String,
    /// Its last day, in UTC
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) expires: Day,
    /// Its first day, in UTC [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) not_before: Option<Day>,
    /// A feature besides those of the tier; may be repeated
    #[arg(long = "feature", value_name = "NAME")]
    pub(crate) features: Vec<String>,
    /// A limit in place of the tier's, such as `max_teams=50`; may be repeated
    #[arg(long = "limit", value_name = "NAME=NUMBER", value_parser = limit)]
    pub(crate) limits: Vec<(Limit, u64)>,
    /// Write the licence to a file as well
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn limit(text: &str) -> Result<(Limit, u64), String> {
    let (name, most) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not `NAME=NUMBER`"))?;
    let names = || Limit::ALL.map(Limit::as_str).join(", ");
    let limit = name
        .parse::<Limit>()
        .map_err(|error| format!("{error}: {}", names()))?;
    let most = most
        .parse::<u64>()
        .map_err(|_| format!("`{most}` is not a number"))?;
    Ok((limit, most))
}
