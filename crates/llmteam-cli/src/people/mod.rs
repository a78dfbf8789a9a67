//! Who answers what a run asks: the terminal, a script, or nobody in this process.
//!
//! Invariant: every answer goes through the interaction manager, whose rules say whether it counts.

mod scripted;
mod terminal;

use std::io::IsTerminal;

use llmteam::canvas::runner::SegmentResult;
use llmteam::human::{Answer, InteractionRequest, InteractionType};
use llmteam::principal::Principal;

use self::scripted::ScriptedPeople;
use crate::config::{Config, PeopleKind};
use crate::error::CliError;
use crate::input;
use crate::session::{Session, quoted};

/// Who answers.
pub(crate) enum People {
    /// Nobody here.
    Inbox,
    /// Whoever sits at the terminal.
    Terminal,
    /// A file.
    Scripted(ScriptedPeople),
}

impl People {
    /// Those whom the configuration names. Without a terminal nobody can be asked there.
    pub(crate) fn of(config: &Config) -> Result<Self, CliError> {
        Ok(match config.people.kind {
            PeopleKind::Inbox => Self::Inbox,
            PeopleKind::Terminal => {
                match std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
                    true => Self::Terminal,
                    false => Self::Inbox,
                }
            }
            PeopleKind::Scripted => {
                let path = config.resolve(config.people.script.as_deref().unwrap_or("".as_ref()));
                let people = ScriptedPeople::from_json(&input::text(&path)?).map_err(|error| {
                    CliError::InvalidJson {
                        path,
                        reason: error.to_string(),
                    }
                })?;
                Self::Scripted(people)
            }
        })
    }

    /// Answers what a waiting run asks; says how many answers were given.
    pub(crate) async fn answer(
        &self,
        session: &Session,
        waiting: &SegmentResult,
    ) -> Result<usize, CliError> {
        let mut given = 0;
        for id in &waiting.pending_requests {
            let Ok(id) = id.parse() else { continue };
            let request = session.interactions.get(&session.tenant, &id).await?;
            let answer = match self {
                Self::Inbox => None,
                Self::Terminal => terminal::ask(request.clone())
                    .await?
                    .map(|answer| (Principal::local(), answer)),
                Self::Scripted(people) => people.answer(&request, activation(&request)),
            };
            if let Some((by, answer)) = answer {
                session
                    .interactions
                    .respond(&session.tenant, &id, &by, answer)
                    .await?;
                given += 1;
            }
        }
        Ok(given)
    }
}

/// Which activation of its step asks: the last part of the key that the step asks under.
fn activation(request: &InteractionRequest) -> u32 {
    let last = request.dedup_key.rsplit('/').next();
    last.and_then(|it| it.parse().ok()).unwrap_or(1)
}

/// Tells how the open requests of a waiting run are answered.
pub(crate) async fn say_how_to_answer(
    session: &Session,
    waiting: &SegmentResult,
) -> Result<(), CliError> {
    eprintln!(
        "run {} waits for {}:",
        waiting.run_id,
        match waiting.pending_requests.len() {
            1 => "an answer".to_owned(),
            n => format!("{n} answers"),
        }
    );
    for id in &waiting.pending_requests {
        let Ok(id) = id.parse() else { continue };
        let request = session.interactions.get(&session.tenant, &id).await?;
        eprintln!(
            "  {} ({}), step {}",
            request.title, request.interaction_type, request.step
        );
        eprintln!(
            "  {}",
            session.command(&format!("tasks answer {id} {}", way(&request)))
        );
    }
    Ok(())
}

/// The option that answers a request.
fn way(request: &InteractionRequest) -> String {
    match request.interaction_type {
        InteractionType::Choice => {
            let option = request
                .options
                .first()
                .map_or("OPTION", |it| it.id.as_str());
            format!("--choose {}", quoted(option))
        }
        InteractionType::Input => "--input '{\"FIELD\": \"VALUE\"}'".to_owned(),
        InteractionType::Approval
        | InteractionType::Review
        | InteractionType::Chat
        | InteractionType::Task => "--approve".to_owned(),
    }
}

/// A plain yes or no.
pub(crate) fn decided(approved: bool) -> Answer {
    Answer {
        approved: Some(approved),
        ..Answer::default()
    }
}
