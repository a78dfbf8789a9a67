//! `llmteam version`

use serde_json::json;

use crate::error::CliError;
use crate::{exit, output};

/// Prints version, build and what this program can work with.
pub(super) fn perform(json: bool) -> Result<u8, CliError> {
    let version = env!("CARGO_PKG_VERSION");
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let databases = ["memory", "sqlite"];
    let models = ["anthropic", "ollama", "openai", "scripted"];
    if output::wants_json(json) {
        let components = json!({ "databases": databases, "models": models });
        output::json(
            &json!({ "version": version, "build": build, "target": target, "components": components }),
            true,
        )?;
        return Ok(exit::DONE);
    }
    output::line(&format!("llmteam {version} ({build}, {target})"))?;
    output::line(&format!("databases: {}", databases.join(", ")))?;
    output::line(&format!("models: {}", models.join(", ")))?;
    Ok(exit::DONE)
}
