//! `llmteam schema`

use llmteam::canvas::schema::segment_schema;

use crate::error::CliError;
use crate::{exit, output};

/// Prints the JSON Schema of segment documents.
pub(super) fn perform() -> Result<u8, CliError> {
    output::json(&segment_schema(), true)?;
    Ok(exit::DONE)
}
