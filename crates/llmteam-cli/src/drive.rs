//! Carries a run on in this process until it ends, is paused, or waits for somebody who is not here.

use llmteam::canvas::machine::RunSettings;
use llmteam::canvas::runner::{PreparedSegment, RunConfig, SegmentResult, SegmentStatus};
use llmteam::id::RunId;
use llmteam::runtime::RuntimeContext;
use serde_json::Value;

use crate::args::Printing;
use crate::error::CliError;
use crate::people::{self, People};
use crate::progress::Progress;
use crate::session::Session;
use crate::{exit, output};

/// How a run begins in this process.
pub(crate) enum Begin {
    /// It is new.
    Start(Box<(PreparedSegment, Value)>),
    /// Its journal is folded: it was interrupted, or it waited.
    Recover,
    /// It is paused, and goes on from its snapshot.
    Resume(String),
}

/// Carries a run on, prints its result, and says how to go on where it waits.
pub(crate) async fn drive(
    session: &Session,
    runtime: RuntimeContext,
    settings: RunSettings,
    begin: Begin,
    printing: &Printing,
) -> Result<u8, CliError> {
    let people = People::of(&session.config)?;
    let progress = session.runner.events().map(|events| {
        Progress::start(
            events,
            &session.tenant,
            runtime.run_id(),
            session.config.prices(),
            printing.events,
        )
    });
    let result = until_it_stops(session, &runtime, settings, begin, &people).await;
    if let Some(progress) = progress {
        progress.finish().await;
    }
    session.settle().await;
    let result = result?;
    report(session, &result, printing).await?;
    Ok(exit::of_status(result.status))
}

async fn until_it_stops(
    session: &Session,
    runtime: &RuntimeContext,
    settings: RunSettings,
    mut begin: Begin,
    people: &People,
) -> Result<SegmentResult, CliError> {
    let settings = RunSettings {
        emit_call_events: true,
        ..settings
    };
    let config = RunConfig {
        settings,
        return_when_waiting: true,
        ..RunConfig::default()
    };
    let run = runtime.run_id();
    loop {
        let (runtime, config) = (runtime.clone(), config.clone());
        let handle = match begin {
            Begin::Start(new) => session.runner.start(&new.0, runtime, new.1, config).await?,
            Begin::Recover => session.runner.recover(run, runtime, config).await?,
            // The run keeps the settings it began with, its time limit among them.
            Begin::Resume(snapshot) => {
                session
                    .runner
                    .resume(&snapshot, runtime, config, None)
                    .await?
            }
        };
        let round = async {
            let result = handle.join().await?;
            let waits = result.status == SegmentStatus::Waiting;
            let given = if waits {
                people.answer(session, &result).await?
            } else {
                0
            };
            Ok::<_, CliError>((result, given))
        };
        let (result, given) = tokio::select! {
            round = round => round?,
            _ = tokio::signal::ctrl_c() => return Err(interrupted(session, run)),
        };
        if given == 0 {
            return Ok(result);
        }
        begin = Begin::Recover;
    }
}

/// The process ends here; the journal is as it would be after a crash.
fn interrupted(session: &Session, run: &RunId) -> CliError {
    let hint = session
        .is_durable()
        .then(|| format!("go on with: {}", session.command(&format!("resume {run}"))));
    CliError::Interrupted {
        run: run.clone(),
        hint,
    }
}

/// Prints the result and tells the person what comes next.
async fn report(
    session: &Session,
    result: &SegmentResult,
    printing: &Printing,
) -> Result<(), CliError> {
    let object = output::ResultObject::from(result);
    if let Some(path) = &printing.output {
        std::fs::write(path, output::json_text(&object, true)? + "\n")?;
        eprintln!("Result written to {}", path.display());
    }
    output::json(&object, printing.is_pretty())?;
    match result.status {
        SegmentStatus::Waiting if session.is_durable() => {
            people::say_how_to_answer(session, result).await
        }
        SegmentStatus::Waiting => {
            eprintln!(
                "run {} waits for an answer, but `memory:` keeps nothing; use a database",
                result.run_id
            );
            Ok(())
        }
        SegmentStatus::Paused => {
            eprintln!(
                "go on with: {}",
                session.command(&format!("resume {}", result.run_id))
            );
            Ok(())
        }
        _ => Ok(()),
    }
}
