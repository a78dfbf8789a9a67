//! Reading what a command is given. No file is read further than its limit.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use llmteam::canvas::definition::SegmentDefinition;
use llmteam::canvas::validate::ValidationCode;
use serde_json::Value;

use crate::error::CliError;

/// The longest segment or input, in bytes: more than the contract reads, so that it says what is wrong.
const DOCUMENT_BYTES: u64 = 64 * 1024 * 1024;
/// The longest configuration or script, in bytes.
const TEXT_BYTES: u64 = 8 * 1024 * 1024;

/// The bytes of a document.
pub(crate) fn document(path: &Path) -> Result<Vec<u8>, CliError> {
    bytes(path, DOCUMENT_BYTES)
}

/// The text of a configuration or script.
pub(crate) fn text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(bytes(path, TEXT_BYTES)?).map_err(|_| CliError::FileUnreadable {
        path: path.to_owned(),
        reason: "it is not UTF-8".to_owned(),
    })
}

/// The segment in a file.
pub(crate) fn segment(path: &Path) -> Result<SegmentDefinition, CliError> {
    SegmentDefinition::from_json(document(path)?).map_err(|messages| {
        let syntax = messages
            .iter()
            .find(|it| it.code == ValidationCode::InvalidJson);
        match syntax {
            Some(fault) => CliError::InvalidJson {
                path: path.to_owned(),
                reason: fault.message.clone(),
            },
            None => CliError::InvalidSegment {
                path: path.to_owned(),
                messages,
            },
        }
    })
}

/// The run input: of a file, of the command line, or the empty object.
pub(crate) fn run_input(file: Option<&Path>, json: Option<&str>) -> Result<Value, CliError> {
    let value = match (file, json) {
        (Some(path), _) => {
            serde_json::from_slice(&document(path)?).map_err(|error| CliError::InvalidJson {
                path: path.to_owned(),
                reason: error.to_string(),
            })?
        }
        (None, Some(json)) => {
            serde_json::from_str(json).map_err(|error| CliError::InvalidInput(error.to_string()))?
        }
        (None, None) => Value::Object(serde_json::Map::new()),
    };
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(CliError::InvalidInput(
            "the run input must be an object".to_owned(),
        )),
    }
}

fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, CliError> {
    let unreadable = |reason: String| CliError::FileUnreadable {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => CliError::FileNotFound(path.to_owned()),
        _ => unreadable(error.to_string()),
    })?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    match bytes.len() as u64 > limit {
        true => Err(CliError::FileTooLarge {
            path: path.to_owned(),
            limit,
        }),
        false => Ok(bytes),
    }
}
