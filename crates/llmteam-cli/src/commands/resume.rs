//! `llmteam resume`

use llmteam::canvas::machine::RunSettings;
use llmteam::canvas::runner::RunnerError;
use llmteam::persistence::{RunRow, RunState};
use llmteam::principal::Principal;

use crate::args::{Printing, Resume};
use crate::drive::{Begin, drive};
use crate::error::CliError;
use crate::session::Session;

/// Goes on with a run that is not over.
pub(super) async fn perform(args: Resume) -> Result<u8, CliError> {
    let session = Session::open(&args.place).await?;
    let row = session.row(&args.run).await?;
    go_on(&session, row, &args.printing).await
}

/// Goes on with a run from its journal, with a paused one from its snapshot.
pub(super) async fn go_on(
    session: &Session,
    row: RunRow,
    printing: &Printing,
) -> Result<u8, CliError> {
    if row.state.is_final() {
        return Err(RunnerError::RunOver {
            run_id: row.run,
            status: row.state,
        }
        .into());
    }
    let resources = session.resources().await?;
    let runtime = resources
        .create_runtime(
            session.tenant.clone(),
            row.instance.clone(),
            row.run.clone(),
            None,
        )
        .copy(|it| it.principal(Principal::local()));
    session.check_resources(&row, &runtime).await?;
    let snapshot = row
        .summary
        .as_ref()
        .and_then(|it| it.get("snapshot_id")?.as_str());
    let begin = match (row.state, snapshot) {
        (RunState::Paused, Some(snapshot)) => Begin::Resume(snapshot.to_owned()),
        _ => Begin::Recover,
    };
    drive(session, runtime, RunSettings::default(), begin, printing).await
}
