//! The place of a value in a document, such as `steps[0].config.llm_ref`.

use std::fmt::{self, Write};

/// Longer keys are cut in a path, so that a hostile document cannot blow up its messages.
const LONGEST_KEY: usize = 100;

/// A path that borrows its parent: built while walking down, written only when something is wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    /// The document itself.
    Root,
    /// A key of an object.
    Key(&'a Path<'a>, &'a str),
    /// A position in an array.
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub(crate) const fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    pub(crate) const fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(parent, key) => {
                parent.fmt(f)?;
                if is_plain(key) {
                    let dot = if matches!(parent, Self::Root) {
                        ""
                    } else {
                        "."
                    };
                    write!(f, "{dot}{key}")
                } else {
                    f.write_str("[\"")?;
                    for character in key.chars().take(LONGEST_KEY) {
                        match character {
                            '"' | '\\' => write!(f, "\\{character}")?,
                            it if it.is_control() => it.escape_default().fmt(f)?,
                            other => f.write_char(other)?,
                        }
                    }
                    f.write_str("\"]")
                }
            }
            Self::Index(parent, index) => {
                parent.fmt(f)?;
                write!(f, "[{index}]")
            }
        }
    }
}

fn is_plain(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The paths above a written path, nearest last, itself included.
pub(crate) fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices()
        .filter(|(_, character)| matches!(character, '.' | '['))
        .map(|(at, _)| &path[..at])
        .chain(std::iter::once(path))
}

/// A text of a document as a message quotes it: short and printable.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')?;
        for (at, character) in self.0.chars().enumerate() {
            if at == LONGEST_KEY {
                f.write_char('…')?;
                break;
            }
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        f.write_char('`')
    }
}

/// Names as a message lists them: the first ten.
pub(crate) struct Listed<'a>(pub(crate) &'a [&'a str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().take(10).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}", Quoted(name))?;
        }
        match self.0.len() {
            0..=10 => Ok(()),
            many => write!(f, " and {} more", many - 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_code_and_quotes_what_is_no_name() {
        let steps = Path::Root.key("steps");
        let step = steps.index(2);
        let config = step.key("config");
        assert_eq!(config.key("llm_ref").to_string(), "steps[2].config.llm_ref");
        assert_eq!(
            config.key("a.b\"\n").to_string(),
            r#"steps[2].config["a.b\"\n"]"#
        );
        assert_eq!(config.key("").to_string(), r#"steps[2].config[""]"#);
        assert_eq!(Path::Root.index(1).to_string(), "[1]");
        let long = "k".repeat(1_000_000);
        assert!(Path::Root.key(&long).to_string().len() < 200);
    }

    #[test]
    fn prefixes_run_from_the_top_to_the_path_itself() {
        let all: Vec<_> = prefixes("steps[2].config.x").collect();
        assert_eq!(
            all,
            ["steps", "steps[2]", "steps[2].config", "steps[2].config.x"]
        );
    }
}
