//! Asking whoever sits at the terminal.

use std::io::{BufRead, Write};

use llmteam::human::{Answer, InteractionRequest, InteractionType};

use super::decided;
use crate::error::CliError;
use crate::output;

/// Asks until there is an answer; none when the person wants to answer later.
pub(super) async fn ask(request: InteractionRequest) -> Result<Option<Answer>, CliError> {
    let asked =
        tokio::task::spawn_blocking(move || converse(&request, &mut std::io::stdin().lock()));
    match asked.await {
        Ok(answer) => Ok(answer?),
        Err(_) => Ok(None),
    }
}

fn converse(
    request: &InteractionRequest,
    answers: &mut impl BufRead,
) -> std::io::Result<Option<Answer>> {
    eprintln!("\n{}", output::question(request));
    for (number, option) in (1..).zip(&request.options) {
        eprintln!("  {number}. {}", option.label);
    }
    loop {
        eprint!("{} ", prompt(request.interaction_type));
        std::io::stderr().flush()?;
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 || line.trim() == "l" {
            return Ok(None);
        }
        match understand(request, line.trim()) {
            Some(answer) => return Ok(Some(answer)),
            None => eprintln!("that was not understood"),
        }
    }
}

fn prompt(kind: InteractionType) -> &'static str {
    match kind {
        InteractionType::Choice => "number, [r]eject or [l]ater?",
        InteractionType::Input => "a JSON object, [r]eject or [l]ater?",
        InteractionType::Review | InteractionType::Approval => {
            "[a]pprove, [r]eject, a JSON object with changes, or [l]ater?"
        }
        InteractionType::Chat | InteractionType::Task => "[a]pprove, [r]eject or [l]ater?",
    }
}

fn understand(request: &InteractionRequest, line: &str) -> Option<Answer> {
    let object = || serde_json::from_str(line).ok();
    match (request.interaction_type, line) {
        (_, "r") => Some(decided(false)),
        (InteractionType::Choice, number) => {
            let at = number.parse::<usize>().ok()?.checked_sub(1)?;
            let option = request.options.get(at)?;
            Some(Answer {
                selected_option: Some(option.id.clone()),
                ..Answer::default()
            })
        }
        (InteractionType::Input, _) => Some(Answer {
            input_data: object()?,
            ..Answer::default()
        }),
        (_, "a") => Some(decided(true)),
        (InteractionType::Review | InteractionType::Approval, _) => Some(Answer {
            review_changes: object()?,
            ..Answer::default()
        }),
        _ => None,
    }
}
