//! `llmteam run`

use llmteam::canvas::machine::RunSettings;
use llmteam::id::RunId;
use llmteam::principal::Principal;

use crate::admission::admit;
use crate::args::Run;
use crate::drive::{Begin, drive};
use crate::error::CliError;
use crate::input;
use crate::session::Session;

/// Runs a segment.
pub(super) async fn perform(args: Run) -> Result<u8, CliError> {
    let segment = input::segment(&args.segment)?;
    let input = input::run_input(args.input.as_deref(), args.input_json.as_deref())?;
    let session = Session::open(&args.place).await?;
    let resources = session.resources().await?;
    let prepared = session.runner.prepare(&segment)?;
    admit(&session, &segment).await?;
    let run_id = args
        .run_id
        .unwrap_or_else(|| RunId::generate(&*session.clock));
    eprintln!("run {run_id} of {}", segment.segment_id);
    let runtime = resources
        .create_runtime(session.tenant.clone(), args.instance, run_id, None)
        .copy(|it| it.principal(Principal::local()));
    let settings = RunSettings {
        timeout: args.timeout,
        ..RunSettings::default()
    };
    let begin = Begin::Start(Box::new((prepared, input)));
    drive(&session, runtime, settings, begin, &args.printing).await
}
