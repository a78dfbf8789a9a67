//! One file per command: what it reads, what it asks the layers, what it prints.

mod audit;
mod catalog;
mod license;
mod mine;
mod plan;
mod resume;
mod run;
mod runs;
mod schema;
mod tasks;
mod tenants;
mod validate;
mod version;

use crate::args::Command;
use crate::error::CliError;

/// Performs a command; the exit code.
pub(crate) async fn perform(command: Command) -> Result<u8, CliError> {
    match command {
        Command::Run(args) => run::perform(args).await,
        Command::Resume(args) => resume::perform(args).await,
        Command::Runs(args) => runs::perform(args).await,
        Command::Tasks(args) => tasks::perform(args).await,
        Command::Audit(args) => audit::perform(args).await,
        Command::Mine(args) => mine::perform(args).await,
        Command::Tenants(args) => tenants::perform(args).await,
        Command::License(args) => license::perform(args),
        Command::Validate(args) => validate::perform(&args),
        Command::Catalog { json } => catalog::perform(json),
        Command::Schema => schema::perform(),
        Command::Plan(args) => plan::perform(&args),
        Command::Version { json } => version::perform(json),
    }
}
