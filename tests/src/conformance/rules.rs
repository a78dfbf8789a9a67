//! Which rules there are, and which cases exercise each.
//!
//! The rules are read from `docs/spec/*.md`: a list entry that begins with a bold id states one.

use super::case::CaseFile;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The letters of the rules that every engine is held to by cases.
const COVERED: [&str; 6] = ["X", "H", "T", "L", "HA", "V"];

/// Every rule of the covered kinds with the names of its cases.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Rule id to the cases that exercise it.
    pub rules: BTreeMap<(String, u32), Vec<String>>,
    /// Rules that cases name and no page states.
    pub unknown: Vec<String>,
}

impl Coverage {
    /// The rules without a case.
    pub fn missing(&self) -> impl Iterator<Item = String> + '_ {
        self.rules
            .iter()
            .filter(|(_, cases)| cases.is_empty())
            .map(|(id, _)| spell(id))
    }

    /// One line per rule: its id and its cases.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.rules.iter().map(|(id, cases)| match cases.as_slice() {
            [] => format!("{:6} -", spell(id)),
            cases => format!("{:6} {}", spell(id), cases.join(", ")),
        })
    }
}

fn spell((letters, number): &(String, u32)) -> String {
    format!("{letters}-{number:02}")
}

/// `X-12` as its letters and its number.
fn id(text: &str) -> Option<(String, u32)> {
    let (letters, number) = text.split_once('-')?;
    (COVERED.contains(&letters) && number.len() == 2).then_some(())?;
    Some((letters.to_owned(), number.parse().ok()?))
}

/// Reads the rules of a folder of pages and looks each up in the cases.
///
/// # Errors
///
/// A sentence when the folder cannot be read or states no rule.
pub fn coverage(pages: &Path, files: &[CaseFile]) -> Result<Coverage, String> {
    let mut coverage = Coverage::default();
    let entries = fs::read_dir(pages).map_err(|error| format!("{}: {error}", pages.display()))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "md") {
            let page = fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let bold = page
                .lines()
                .filter_map(|line| line.strip_prefix("- **")?.split_once("**"));
            for rule in bold.filter_map(|(rule, _)| id(rule)) {
                coverage.rules.insert(rule, Vec::new());
            }
        }
    }
    if coverage.rules.is_empty() {
        return Err(format!("{}: no page states a rule", pages.display()));
    }
    for file in files {
        for case in &file.cases {
            let name = format!("{}/{}", file.name(), case.case);
            for rule in &case.rules {
                match id(rule).and_then(|id| coverage.rules.get_mut(&id)) {
                    Some(cases) => cases.push(name.clone()),
                    None if id(rule).is_some() => coverage.unknown.push(format!("{rule} ({name})")),
                    None => {}
                }
            }
        }
    }
    Ok(coverage)
}
