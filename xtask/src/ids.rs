//! `cargo xtask ids`: every rule that `docs/spec` states is settled by a test.
//!
//! A page states a rule where a line or the first cell of a table row starts with its id, or where the id stands
//! in bold; one without a dash, such as CT01, only in bold. A test settles rules by a comment, `// covers: X-12, H-04`, or a conformance case by its `rules`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use crate::{
    process::{Failure, Result, at, root},
    tidy::tracked,
};

const COVERS: &str = "// covers:";

pub(crate) struct Ids {
    pub(crate) list: bool,
}

/// Where each id occurs.
type Places = BTreeMap<String, BTreeSet<String>>;

impl Ids {
    pub(crate) fn run(&self) -> Result<()> {
        let (stated, covered) = read()?;
        if self.list {
            for (id, pages) in &stated {
                let tests = covered
                    .get(id)
                    .map(joined)
                    .unwrap_or_else(|| "no test".into());
                println!("{id:6} {} <- {tests}", joined(pages));
            }
        }
        let faults = faults(&stated, &covered);
        println!(
            "{} rules stated, {} ids covered",
            stated.len(),
            covered.len()
        );
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Failure(faults.join("\n")))
        }
    }
}

fn read() -> Result<(Places, Places)> {
    let (mut stated, mut covered) = (Places::new(), Places::new());
    for file in tracked()? {
        let path = root().join(&file);
        let ids = if file.starts_with("docs/spec/") && file.ends_with(".md") {
            fs::read_to_string(&path).map(|text| (&mut stated, stated_in(&text)))
        } else if file.ends_with(".rs") && !file.starts_with("xtask/") {
            fs::read_to_string(&path).map(|text| (&mut covered, covered_in(&text)))
        } else if file.starts_with("tests/conformance/") && file.ends_with(".expect.json") {
            let text = fs::read_to_string(&path).map_err(at(&path))?;
            let cases = serde_json::from_str(&text)
                .map_err(|error| Failure(format!("`{file}`: {error}")))?;
            Ok((&mut covered, rules_of(&cases)))
        } else {
            continue;
        };
        let (places, ids) = ids.map_err(at(&path))?;
        for id in ids {
            places.entry(id).or_default().insert(file.clone());
        }
    }
    Ok((stated, covered))
}

fn faults(stated: &Places, covered: &Places) -> Vec<String> {
    let untested = stated.iter().filter(|(id, _)| !covered.contains_key(*id));
    let untested = untested.map(|(id, pages)| {
        format!(
            "{id} of {} has no test: say `{COVERS} {id}` in one",
            joined(pages)
        )
    });
    // An id of a family that a page states, and not the id itself, is a slip of the pen.
    let families: BTreeSet<&str> = stated.keys().map(|id| family(id)).collect();
    let unknown = covered
        .iter()
        .filter(|(id, _)| families.contains(family(id)) && !stated.contains_key(*id));
    let unknown = unknown.map(|(id, tests)| {
        format!(
            "{id} in {} is stated on no page of docs/spec",
            joined(tests)
        )
    });
    untested.chain(unknown).collect()
}

fn family(id: &str) -> &str {
    id.trim_end_matches(|it: char| it.is_ascii_digit())
}

fn joined(places: &BTreeSet<String>) -> String {
    places
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn stated_in(page: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for line in page.lines() {
        ids.extend(leading_dashed(
            line.trim_start_matches([' ', '#', '-', '*', '|', '>', '`']),
        ));
        ids.extend(
            line.split("**")
                .skip(1)
                .step_by(2)
                .filter(|bold| leading_id(bold).as_deref() == Some(*bold))
                .map(str::to_owned),
        );
    }
    ids
}

fn covered_in(source: &str) -> Vec<String> {
    let comments = source
        .lines()
        .filter_map(|line| Some(line.split_once(COVERS)?.1));
    comments
        .flat_map(|ids| ids.split(','))
        .filter_map(|id| leading_id(id.trim()))
        .collect()
}

fn rules_of(cases: &Value) -> Vec<String> {
    let cases = cases["cases"].as_array().into_iter().flatten();
    let rules = cases.flat_map(|case| case["rules"].as_array().into_iter().flatten());
    rules
        .filter_map(|rule| leading_id(rule.as_str()?))
        .collect()
}

/// One to three capitals, a dash, two or three digits: `X-12`, `HA-03`. What a line begins with is taken for an id only
/// with the dash.
fn leading_dashed(text: &str) -> Option<String> {
    leading_id(text).filter(|id| id.contains('-'))
}

/// As [`leading_dashed`], and one or two digits right behind the capitals: `CT01`, `C1`.
fn leading_id(text: &str) -> Option<String> {
    let capitals = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let (family, rest) = text.split_at(capitals);
    let (dash, wanted) = match rest.strip_prefix('-') {
        Some(_) => ("-", 2..=3),
        None => ("", 1..=2),
    };
    let rest = &rest[dash.len()..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let ended = !rest[digits..]
        .starts_with(|next: char| next.is_alphanumeric() || next == '-' || next == '_');
    let fits = (1..=3).contains(&capitals) && wanted.contains(&digits) && ended;
    fits.then(|| format!("{family}{dash}{}", &rest[..digits]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_states_ids_at_the_start_of_lines_and_in_bold() {
        let page = "- X-12 A join waits (see X-13).\n| HA-03 | sends a key | X-14 |\n### H-04 Answers\n\
                    The rule **X-90** numbers events; **X-91 is not stated here**.\nUTF-8 and X-9 and SHA-256\n\
                    - **CT01** A child; **N1, a net**.\nA4 paper\n| N1 | a net |\n";
        assert_eq!(stated_in(page), ["X-12", "HA-03", "H-04", "X-90", "CT01"]);
    }

    #[test]
    fn a_test_names_what_it_covers() {
        let source =
            format!("    {COVERS} X-12, H-04\nfn a() {{}} {COVERS} X-99\n{COVERS} HA-03, C1\n");
        assert_eq!(covered_in(&source), ["X-12", "H-04", "X-99", "HA-03", "C1"]);
        let cases = serde_json::json!({"cases": [{"rules": ["X-08", "X-12"]}, {"case": "none"}, {"rules": ["T-02"]}]});
        assert_eq!(rules_of(&cases), ["X-08", "X-12", "T-02"]);
    }

    #[test]
    fn a_rule_without_a_test_and_a_test_without_a_rule_are_named() {
        let places = |ids: &[&str], file: &str| -> Places {
            ids.iter()
                .map(|id| ((*id).to_owned(), BTreeSet::from([file.to_owned()])))
                .collect()
        };
        let faults = faults(
            &places(&["X-12", "X-13"], "execution.md"),
            &places(&["X-13", "X-99", "S-01"], "a.rs"),
        );
        assert_eq!(
            faults,
            [
                "X-12 of execution.md has no test: say `// covers: X-12` in one",
                "X-99 in a.rs is stated on no page of docs/spec"
            ]
        );
    }
}
