//! Every error code has a page in `docs/errors`, and every page there is about a code.
//!
//! Codes are found in the sources as they are written there: a row of a table of codes
//! (`Cycle = "CYCLE", Info;`), an arm that gives an error its code (`Self::Denied => "EGRESS_DENIED",`), or a
//! step error's `.with_code("CANCELLED")`.

use std::collections::BTreeSet;

const PAGES: &str = "docs/errors/";

/// `sources` are the texts of the crates, `files` all tracked paths.
pub(crate) fn faults(sources: &[String], files: &[String]) -> Vec<String> {
    let codes: BTreeSet<&str> = sources.iter().flat_map(|source| codes_in(source)).collect();
    let pages = files
        .iter()
        .filter_map(|file| file.strip_prefix(PAGES)?.strip_suffix(".md"));
    let pages: BTreeSet<&str> = pages.filter(|page| *page != "README").collect();
    let missing = codes
        .difference(&pages)
        .map(|code| format!("add {PAGES}{code}.md"));
    let known = |page: &str| {
        sources
            .iter()
            .any(|source| source.contains(&format!("\"{page}\"")))
    };
    let idle = pages.iter().filter(|page| !known(page));
    missing
        .chain(idle.map(|page| format!("{PAGES}{page}.md is about no code")))
        .collect()
}

fn codes_in(source: &str) -> Vec<&str> {
    let (source, _tests) = source.split_once("#[cfg(test)]").unwrap_or((source, ""));
    // What stands before and after the text between two quotes says whether it is a code.
    let parts: Vec<&str> = source.split('"').collect();
    let codes = parts.windows(3).filter_map(|around| {
        let [before, text, after] = around else {
            return None;
        };
        let row = before.ends_with(" = ")
            && [", Error;", ", Warning;", ", Info;"]
                .iter()
                .any(|end| after.starts_with(end));
        let arm = before.ends_with(" => ") && text.contains('_') && after.starts_with(',');
        (is_code(text) && (row || arm || before.ends_with(".with_code("))).then_some(*text)
    });
    codes.collect()
}

fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_uppercase()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"
        /// A "LOOP" and its header.
        Cycle = "CYCLE", Info;
        error.with_code("CANCELLED"); let mode = "FAST"; const NAME: &str = "HOME";
        Method::Get => "GET", Self::Denied { .. } => "EGRESS_DENIED",
        #[cfg(test)] mod tests { error.with_code("BOOM") }
    "##;

    #[test]
    fn codes_are_told_from_other_words() {
        assert_eq!(codes_in(SOURCE), ["CYCLE", "CANCELLED", "EGRESS_DENIED"]);
    }

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_named() {
        let files = ["CYCLE", "EGRESS_DENIED", "HOME", "GONE", "README"];
        let files = files.map(|page| format!("{PAGES}{page}.md"));
        let faults = faults(&[SOURCE.to_owned()], &files);
        assert_eq!(
            faults,
            [
                "add docs/errors/CANCELLED.md",
                "docs/errors/GONE.md is about no code"
            ]
        );
    }
}
