//! `cargo xtask tidy`: the house rules that a compiler does not know.
//!
//! Invariant: it looks at what git tracks, so a database or a log left in the folder is nobody's fault.

use std::{collections::BTreeSet, fs};

use crate::{
    pages,
    process::{Failure, Result, at, output, program, root},
};

/// What stands at the top, besides dot files and licences.
const TOP: [&str; 10] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "crates",
    "deny.toml",
    "docs",
    "rust-toolchain.toml",
    "tests",
    "xtask",
];
/// Lines of a file. A longer one is two ideas, or stands in [`LONG`].
const LONGEST: usize = 600;
/// Files that are one idea and longer, each with the reason.
const LONG: [(&str, &str); 0] = [];

pub(crate) fn run() -> Result<()> {
    let files = tracked()?;
    let mut faults = top_level(&files);
    let mut crates = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let path = root().join(file);
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        faults.extend(in_source(file, &text));
        if file.starts_with("crates/") && !file.ends_with("tests.rs") {
            crates.push(text);
        }
    }
    faults.extend(pages::faults(&crates, &files));
    let gone = LONG
        .iter()
        .filter(|(file, _)| !files.iter().any(|it| it == file));
    faults.extend(
        gone.map(|(file, _)| {
            format!("`{file}` is in `LONG` of xtask/src/tidy.rs and nowhere else")
        }),
    );
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure(faults.join("\n")))
    }
}

/// Paths of the tracked files that are there, relative to the root, with `/`.
pub(crate) fn tracked() -> Result<Vec<String>> {
    let listed = output(program("git").args(["ls-files", "-z"]))?;
    if !listed.status.success() {
        return Err(Failure(format!(
            "`git ls-files` failed: {}",
            String::from_utf8_lossy(&listed.stderr)
        )));
    }
    let names = String::from_utf8_lossy(&listed.stdout);
    let names = names
        .split('\0')
        .filter(|name| !name.is_empty() && root().join(name).exists());
    Ok(names.map(str::to_owned).collect())
}

fn top_level(files: &[String]) -> Vec<String> {
    let tops: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.split('/').next())
        .collect();
    let allowed =
        |name: &str| name.starts_with('.') || name.starts_with("LICENSE") || TOP.contains(&name);
    let extra = tops.into_iter().filter(|name| !allowed(name));
    extra
        .map(|name| {
            format!(
                "`{name}` does not belong at the top; `TOP` of xtask/src/tidy.rs lists what does"
            )
        })
        .collect()
}

fn in_source(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push(format!(
            "`{file}` does not start with `//!` and its one idea"
        ));
    }
    let lines = text.lines().count();
    let excused = LONG.iter().any(|(long, _)| *long == file);
    if lines > LONGEST && !excused {
        faults.push(format!("`{file}` has {lines} lines, over {LONGEST}: split it, or put it into `LONG` with a reason"));
    }
    if lines <= LONGEST && excused {
        faults.push(format!(
            "`{file}` has {lines} lines and needs no place in `LONG` of xtask/src/tidy.rs"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_at_the_top_are_named() {
        let files = [
            "Cargo.toml",
            ".ci/run",
            "crates/a/src/lib.rs",
            "LICENSE-MIT",
            "scripts/x.sh",
            "scripts/y.sh",
        ];
        let faults = top_level(&files.map(str::to_owned));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("`scripts`"));
    }

    #[test]
    fn a_source_file_has_a_head_and_an_end() {
        assert_eq!(in_source("a.rs", "//! One idea.\nfn a() {}\n"), [""; 0]);
        assert!(in_source("a.rs", "use std::fs;\n")[0].contains("does not start with `//!`"));
        let long = format!("//! One idea.\n{}", "\n".repeat(LONGEST));
        assert!(in_source("a.rs", &long)[0].contains("has 601 lines"));
    }
}
