//! `llmteam tasks`

use llmteam::canvas::runner::RunnerError;
use llmteam::human::{Answer, InteractionFilter, InteractionRequest};
use llmteam::persistence::RunRow;
use llmteam::principal::Principal;
use serde_json::{Map, Value, json};

use super::resume;
use crate::args::{TaskAnswer, Tasks};
use crate::error::CliError;
use crate::people::decided;
use crate::session::Session;
use crate::{exit, output};

/// Lists, shows or answers requests.
pub(super) async fn perform(args: Tasks) -> Result<u8, CliError> {
    match args {
        Tasks::List {
            all,
            run,
            json,
            place,
        } => {
            let session = Session::open(&place).await?;
            let filter = InteractionFilter {
                open: !all,
                run,
                ..InteractionFilter::default()
            };
            list(
                &session.interactions.list(&session.tenant, &filter).await?,
                json,
            )?;
            Ok(exit::DONE)
        }
        Tasks::Show {
            request,
            json,
            place,
        } => {
            let session = Session::open(&place).await?;
            let request = session.interactions.get(&session.tenant, &request).await?;
            match output::wants_json(json) {
                true => output::json(&request, true)?,
                false => output::line(&output::question(&request))?,
            }
            Ok(exit::DONE)
        }
        Tasks::Answer(args) => answer(args).await,
    }
}

fn list(requests: &[InteractionRequest], json: bool) -> Result<(), CliError> {
    if output::wants_json(json) {
        return output::json(&requests, true);
    }
    let rows: Vec<_> = requests
        .iter()
        .map(|it| {
            let kind = it.interaction_type.to_string();
            let asked = it
                .assignee()
                .map_or("anybody".to_owned(), ToString::to_string);
            [
                it.request_id.to_string(),
                it.run.to_string(),
                kind,
                it.status.to_string(),
                asked,
                it.title.clone(),
            ]
        })
        .collect();
    output::table(
        ["REQUEST", "RUN", "TYPE", "STATUS", "ASKED", "TITLE"],
        &rows,
    )
}

/// Records an answer, then goes on with the run unless another process has it.
async fn answer(args: TaskAnswer) -> Result<u8, CliError> {
    let given = given(&args)?;
    let session = Session::open(&args.place).await?;
    let request = session
        .interactions
        .get(&session.tenant, &args.request)
        .await?;
    let by = Principal::local();
    let response = session
        .interactions
        .respond(&session.tenant, &args.request, &by, given)
        .await?;
    let request = session
        .interactions
        .get(&session.tenant, &request.request_id)
        .await?;
    eprintln!("answered {}: {}", request.request_id, request.status);
    let row = session.row(&request.run).await?;
    let left = match going_on(&session, &row, &args).await {
        Some(result) => match result {
            Err(CliError::Runner(RunnerError::RunActive(_))) => {
                "another process has the run and takes the answer"
            }
            Err(error @ CliError::ResourcesMissing { .. }) => {
                error.show();
                "the answer is recorded and the run waits to go on"
            }
            other => return other,
        },
        None => "the answer is recorded",
    };
    eprintln!("{left}");
    let recorded = json!({
        "request_id": request.request_id,
        "run_id": request.run,
        "status": request.status,
        "response_id": response.response_id,
    });
    output::json(&recorded, true)?;
    Ok(exit::DONE)
}

/// The run's result; none when it is not to go on here.
async fn going_on(
    session: &Session,
    row: &RunRow,
    args: &TaskAnswer,
) -> Option<Result<u8, CliError>> {
    if args.no_resume || row.state.is_final() {
        return None;
    }
    Some(resume::go_on(session, row.clone(), &args.printing).await)
}

fn given(args: &TaskAnswer) -> Result<Answer, CliError> {
    let mut answer = match (&args.choose, &args.input, &args.changes) {
        (Some(option), _, _) => Answer {
            selected_option: Some(option.clone()),
            ..Answer::default()
        },
        (_, Some(data), _) => Answer {
            input_data: object(data)?,
            ..Answer::default()
        },
        (_, _, Some(changes)) => Answer {
            review_changes: object(changes)?,
            ..Answer::default()
        },
        _ => decided(args.approve),
    };
    answer.comment = args.comment.clone().unwrap_or_default();
    answer.reason = args.reason.clone().unwrap_or_default();
    answer.channel = Some("cli".to_owned());
    Ok(answer)
}

fn object(text: &str) -> Result<Map<String, Value>, CliError> {
    serde_json::from_str(text).map_err(|error| CliError::InvalidInput(error.to_string()))
}
