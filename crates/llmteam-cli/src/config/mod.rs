//! What an operator says about models, services, people and stores: `llmteam.toml`.
//!
//! [`file`] says how it is written, [`environment`] what the environment lays over it, [`resources`] makes
//! live objects of it. Every fault is listed at once; no message holds a value that may be a secret.

mod environment;
mod file;
mod resources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use self::file::{HttpConfig, LlmConfig, PromptsConfig, SecretSource, StoreConfig};
pub(crate) use self::file::{PeopleConfig, PeopleKind, Price};
pub(crate) use self::resources::resources;
use crate::error::CliError;
use crate::input;

/// The configuration that is used when none is named.
const DEFAULT_FILE: &str = "llmteam.toml";

/// A configuration, read and checked.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The file; empty if there is none.
    pub(crate) path: PathBuf,
    pub(crate) database: Option<String>,
    llm: BTreeMap<String, LlmConfig>,
    http: BTreeMap<String, HttpConfig>,
    pub(crate) people: PeopleConfig,
    secrets: BTreeMap<String, SecretSource>,
    prompts: Option<PromptsConfig>,
    store: BTreeMap<String, StoreConfig>,
}

impl Config {
    /// Reads the named file, else `llmteam.toml` if it is there, and lays the environment over it.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, CliError> {
        let path = match named {
            Some(path) => Some(path),
            None => Some(Path::new(DEFAULT_FILE)).filter(|it| it.is_file()),
        };
        let text = path.map(input::text).transpose()?.unwrap_or_default();
        let path = path.unwrap_or(Path::new(""));
        let invalid = |faults| CliError::Config {
            path: path.to_owned(),
            faults,
        };
        let mut table: Table =
            toml::from_str(&text).map_err(|error| invalid(vec![syntax(&text, &error)]))?;
        environment::lay_over(&mut table, std::env::vars());
        let mut faults = Vec::new();
        let config = Self::read(table, path, &mut faults);
        match faults.is_empty() {
            true => Ok(config),
            false => Err(invalid(faults)),
        }
    }

    fn read(table: Table, path: &Path, faults: &mut Vec<String>) -> Self {
        let mut config = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        for (key, value) in table {
            match key.as_str() {
                "database" => config.database = one(&key, value, faults),
                "people" => config.people = one(&key, value, faults).unwrap_or_default(),
                "prompts" => config.prompts = one(&key, value, faults),
                "llm" => config.llm = each(&key, value, faults),
                "http" => config.http = each(&key, value, faults),
                "secrets" => config.secrets = each(&key, value, faults),
                "store" => config.store = each(&key, value, faults),
                _ => faults.push(format!(
                    "`{key}` is not known; expected one of `database`, `llm`, `http`, `people`, `secrets`, `prompts`, `store`"
                )),
            }
        }
        for (name, llm) in &config.llm {
            llm.check(&format!("llm.{name}"), faults);
        }
        for (name, http) in &config.http {
            http.check(&format!("http.{name}"), faults);
        }
        config.people.check(faults);
        config
    }

    /// A path of the configuration: relative ones start at the file's directory.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        match self.path.parent() {
            Some(directory) => directory.join(path),
            None => path.to_owned(),
        }
    }

    /// What tokens of a model cost, where the operator says.
    pub(crate) fn prices(&self) -> BTreeMap<String, Price> {
        self.llm
            .iter()
            .filter_map(|(name, llm)| Some((name.clone(), llm.price?)))
            .collect()
    }
}

/// The entries of a section, each read by itself so that every fault is found.
fn each<T: DeserializeOwned>(
    section: &str,
    value: Value,
    faults: &mut Vec<String>,
) -> BTreeMap<String, T> {
    let Value::Table(table) = value else {
        faults.push(format!(
            "`{section}` must be a table: write `[{section}.NAME]`"
        ));
        return BTreeMap::new();
    };
    let entry = |(name, value)| {
        let read = one(&format!("{section}.{name}"), value, faults)?;
        Some((name, read))
    };
    table.into_iter().filter_map(entry).collect()
}

fn one<T: DeserializeOwned>(path: &str, value: Value, faults: &mut Vec<String>) -> Option<T> {
    value
        .try_into()
        .map_err(|error: toml::de::Error| faults.push(format!("`{path}`: {}", error.message())))
        .ok()
}

/// A syntax error without the line it is in, which may hold a secret.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    format!("line {line}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        Config::read(
            toml::from_str(text).unwrap(),
            Path::new("dir/llmteam.toml"),
            &mut faults,
        );
        faults
    }

    #[test]
    fn every_fault_is_listed_with_its_place() {
        let faults = faults(
            r#"
            colour = "red"
            [llm.main]
            kind = "oracle"
            [llm.other]
            kind = "scripted"
            [llm.third]
            kind = "openai"
            modell = "x"
            [http.cms]
            kind = "http"
            [people]
            kind = "scripted"
            [store.a]
            kind = "redis"
            "#,
        );
        for place in [
            "`colour`",
            "`llm.main`",
            "`llm.other`",
            "`llm.third`",
            "`http.cms`",
            "`people`",
            "`store.a`",
        ] {
            assert!(
                faults.iter().any(|it| it.starts_with(place)),
                "{place}: {faults:?}"
            );
        }
        assert_eq!(faults.len(), 7, "{faults:?}");
    }

    #[test]
    fn a_key_written_into_the_file_is_refused_and_not_shown() {
        let text = r#"
            [llm.main]
            kind = "openai"
            model = "m"
            api_key = "sk-very-secret"
            [secrets.cms]
            value = "sk-very-secret"
        "#;
        let faults = faults(text).join("\n");
        assert!(
            faults.contains("`llm.main`") && faults.contains("`secrets.cms`"),
            "{faults}"
        );
        assert!(!faults.contains("very-secret"), "{faults}");
        let broken = "[llm.main]\napi_key = \"sk-very-secret";
        let error = toml::from_str::<Table>(broken).unwrap_err();
        let shown = syntax(broken, &error);
        assert!(
            shown.starts_with("line 2") && !shown.contains("very-secret"),
            "{shown}"
        );
    }

    #[test]
    fn paths_start_at_the_files_directory() {
        let config = Config {
            path: "some/where/llmteam.toml".into(),
            ..Config::default()
        };
        assert_eq!(
            config.resolve(Path::new("a.json")),
            Path::new("some/where/a.json")
        );
        assert_eq!(config.resolve(Path::new("/a.json")), Path::new("/a.json"));
        assert_eq!(
            Config::default().resolve(Path::new("a.json")),
            Path::new("a.json")
        );
    }
}
