//! `llmteam catalog`

use std::collections::BTreeMap;

use llmteam::canvas::catalog::StepCatalog;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::{exit, output};

/// Lists the step types by id.
pub(super) fn perform(json: bool) -> Result<u8, CliError> {
    let types = StepCatalog::with_builtins().list_all();
    let types: BTreeMap<&str, _> = types.iter().map(|it| (it.type_id.as_str(), it)).collect();
    if output::wants_json(json) {
        let object: BTreeMap<&str, Value> = types
            .iter()
            .map(|(id, it)| {
                let shown = json!({
                    "display_name": it.display_name,
                    "description": it.description,
                    "category": it.category,
                });
                (*id, shown)
            })
            .collect();
        output::json(&object, true)?;
        return Ok(exit::DONE);
    }
    let rows: Vec<_> = types
        .iter()
        .map(|(id, it)| {
            [
                (*id).to_owned(),
                it.display_name.clone(),
                it.category.as_str().to_owned(),
                it.description.clone(),
            ]
        })
        .collect();
    output::table(["TYPE", "NAME", "CATEGORY", "DESCRIPTION"], &rows)?;
    Ok(exit::DONE)
}
