//! `llmteam validate`

use llmteam::canvas::catalog::StepCatalog;
use llmteam::canvas::validate::{SegmentValidator, ValidationCode, ValidationMessage};

use crate::args::Validate;
use crate::error::CliError;
use crate::{exit, input, output};

/// Says everything that is wrong with a segment.
pub(super) fn perform(args: &Validate) -> Result<u8, CliError> {
    let document = input::document(&args.segment)?;
    let validator = SegmentValidator::new()
        .catalog(StepCatalog::with_builtins())
        .strict(!args.no_strict);
    let result = validator.validate_json(document);
    let syntax = result
        .messages
        .iter()
        .find(|it| it.code == ValidationCode::InvalidJson);
    let code = match (result.is_valid(), syntax) {
        (true, _) => exit::DONE,
        (false, None) => exit::FAILED,
        (false, Some(fault)) => {
            eprintln!(
                "Invalid JSON in {}: {}",
                args.segment.display(),
                fault.message
            );
            exit::USAGE
        }
    };
    if output::wants_json(args.json) {
        output::json(&result, true)?;
        return Ok(code);
    }
    result
        .messages
        .iter()
        .try_for_each(|message| output::line(&shown(message)))?;
    if result.messages.is_empty() {
        output::line(&format!("{} is valid", args.segment.display()))?;
    }
    Ok(code)
}

fn shown(message: &ValidationMessage) -> String {
    match message.suggestion.as_str() {
        "" => message.to_string(),
        suggestion => format!("{message}; {suggestion}"),
    }
}
