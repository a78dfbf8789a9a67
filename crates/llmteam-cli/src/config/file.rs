//! The entries of the configuration file as they are written. Unknown keys are refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};
use toml::Value;

/// `[llm.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LlmConfig {
    pub(super) kind: LlmKind,
    pub(super) model: Option<String>,
    pub(super) base_url: Option<String>,
    pub(super) api_key: Option<SecretSource>,
    /// Answers of kind `scripted`.
    pub(super) script: Option<PathBuf>,
    pub(super) price: Option<Price>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LlmKind {
    OpenAi,
    Anthropic,
    Ollama,
    Scripted,
}

/// What a million tokens cost, in whatever currency the operator counts.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub(crate) input: f64,
    pub(crate) output: f64,
}

/// `[http.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpConfig {
    pub(super) kind: HttpKind,
    pub(super) base_url: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Placeholders of header values and the secrets they stand for.
    #[serde(default)]
    pub(super) secret_refs: BTreeMap<String, String>,
    /// Whether the service answers a repeated `Idempotency-Key` without acting again.
    pub(super) deduplicates: Option<bool>,
    /// Answers of kind `scripted`.
    pub(super) script: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HttpKind {
    Http,
    Scripted,
}

/// `[people]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeopleConfig {
    #[serde(default)]
    pub(crate) kind: PeopleKind,
    /// Answers of kind `scripted`.
    pub(crate) script: Option<PathBuf>,
}

/// Who answers what a run asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PeopleKind {
    /// Whoever sits at the terminal; without one the run waits.
    #[default]
    Terminal,
    /// The run waits for `llmteam tasks answer`.
    Inbox,
    /// A file.
    Scripted,
}

/// `[prompts]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PromptsConfig {
    /// Directory of templates: `ID.txt` or `ID.md` is a text, `ID.json` a record with `text`.
    pub(super) dir: PathBuf,
}

/// `[store.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreConfig {
    pub(super) kind: StoreKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StoreKind {
    Sql,
    Memory,
}

/// Where a secret is; never the secret itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SecretSource {
    Env(String),
    File(PathBuf),
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The usual messages would repeat what stands there, which may be the secret itself.
        let refused = || {
            de::Error::custom(
                "a secret is written `{ env = \"VARIABLE\" }` or `{ file = \"PATH\" }`",
            )
        };
        let Value::Table(table) = Value::deserialize(deserializer)? else {
            return Err(refused());
        };
        let mut entries = table.into_iter();
        match (entries.next(), entries.next()) {
            (Some((key, Value::String(place))), None) => match key.as_str() {
                "env" => Ok(Self::Env(place)),
                "file" => Ok(Self::File(place.into())),
                _ => Err(refused()),
            },
            _ => Err(refused()),
        }
    }
}

impl LlmConfig {
    pub(super) fn check(&self, path: &str, faults: &mut Vec<String>) {
        match self.kind {
            LlmKind::Scripted if self.script.is_none() => {
                faults.push(format!("`{path}`: kind `scripted` needs `script`"));
            }
            LlmKind::Scripted => {}
            _ if self.model.is_none() => faults.push(format!("`{path}`: `model` is missing")),
            _ => {}
        }
    }
}

impl HttpConfig {
    pub(super) fn check(&self, path: &str, faults: &mut Vec<String>) {
        match self.kind {
            HttpKind::Http if self.base_url.is_none() => {
                faults.push(format!("`{path}`: `base_url` is missing"));
            }
            HttpKind::Scripted if self.script.is_none() => {
                faults.push(format!("`{path}`: kind `scripted` needs `script`"));
            }
            _ => {}
        }
    }
}

impl PeopleConfig {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        if self.kind == PeopleKind::Scripted && self.script.is_none() {
            faults.push("`people`: kind `scripted` needs `script`".to_owned());
        }
    }
}
