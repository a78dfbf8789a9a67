//! The environment over the file: `LLMTEAM__LLM__MAIN__MODEL` stands over `model` of `[llm.main]`.
//!
//! Two underscores separate the parts, which are read in lower case. A value is TOML if it can be, else text.

use toml::{Table, Value};

const PREFIX: &str = "LLMTEAM__";

/// Lays every variable of the environment that names a place over the table.
pub(super) fn lay_over(table: &mut Table, variables: impl IntoIterator<Item = (String, String)>) {
    for (name, value) in variables {
        if let Some(place) = name.strip_prefix(PREFIX) {
            let parts: Vec<String> = place.split("__").map(str::to_lowercase).collect();
            set(table, &parts, &value);
        }
    }
}

fn set(table: &mut Table, parts: &[String], value: &str) {
    match parts {
        [] => {}
        [key] => {
            table.insert(key.clone(), read(value));
        }
        [key, rest @ ..] => {
            let inner = table
                .entry(key.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

fn read(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    let only = parsed
        .filter(|it| it.len() == 1)
        .and_then(|mut it| it.remove("value"));
    only.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_its_place_and_brings_toml_or_text() {
        let mut table: Table =
            toml::from_str("[llm.main]\nmodel = \"a\"\nkind = \"ollama\"").unwrap();
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        lay_over(
            &mut table,
            [
                set("LLMTEAM__LLM__MAIN__MODEL", "b"),
                set("LLMTEAM__LLM__MAIN__API_KEY", "{ env = \"KEY\" }"),
                set("LLMTEAM__HTTP__CMS__DEDUPLICATES", "true"),
                set("LLMTEAM__DATABASE", "sqlite:x.db"),
                set("LLMTEAM_LOG", "debug"),
            ],
        );
        let expected = "database = \"sqlite:x.db\"\n[llm.main]\nmodel = \"b\"\nkind = \"ollama\"\napi_key = { env = \"KEY\" }\n[http.cms]\ndeduplicates = true";
        assert_eq!(table, toml::from_str(expected).unwrap());
    }
}
