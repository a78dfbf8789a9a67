//! `cargo xtask layers`: the dependency direction, read from `cargo metadata`.
//!
//! Invariant: only what a crate is built from counts; its tests may look at anything.

use cargo_metadata::{DependencyKind, Package};

use crate::process::{Failure, Result, workspace};

/// The crates from the bottom up. A crate may depend on those of earlier rows, never on its own row or a later one.
const LAYERS: [&[&str]; 8] = [
    &["llmteam-security"],
    &["llmteam-orchestration"],
    &["llmteam-workflow"],
    &["llmteam-canvas"],
    &["llmteam", "llmteam-providers"],
    &["llmteam-server"],
    &["llmteam-cli"],
    &["llmteam-tests", "llmteam-oracle"],
];

/// Crates from outside that have their places, and the only crates that may build on them.
const PLACES: [(&str, &[&str]); 4] = [
    ("axum", &["llmteam-server", "llmteam-tests"]),
    ("petgraph", &["llmteam-canvas"]),
    ("reqwest", &["llmteam-workflow", "llmteam-providers"]),
    (
        "sqlx",
        &["llmteam-security", "llmteam-workflow", "llmteam-tests"],
    ),
];

pub(crate) fn run() -> Result<()> {
    let metadata = workspace()?;
    let faults: Vec<String> = metadata.packages.iter().flat_map(of_package).collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure(faults.join("\n")))
    }
}

fn of_package(package: &Package) -> Vec<String> {
    let built_from = package
        .dependencies
        .iter()
        .filter(|it| it.kind != DependencyKind::Development);
    faults(&package.name, built_from.map(|it| it.name.as_str()))
}

fn faults<'a>(name: &str, dependencies: impl Iterator<Item = &'a str>) -> Vec<String> {
    // This program checks the others and is part of none of them.
    let row = match layer(name) {
        None if name == "xtask" => 0,
        None => {
            return vec![format!(
                "`{name}` has no place in `LAYERS` of xtask/src/layers.rs"
            )];
        }
        Some(row) => row,
    };
    dependencies
        .filter_map(|dependency| fault(name, row, dependency))
        .collect()
}

fn fault(name: &str, row: usize, dependency: &str) -> Option<String> {
    if let Some((_, crates)) = PLACES.iter().find(|(place, _)| *place == dependency) {
        let crates_named = crates.join("`, `");
        return (!crates.contains(&name)).then(|| {
            format!("`{name}` depends on `{dependency}`, which belongs to `{crates_named}`")
        });
    }
    let other = layer(dependency)?;
    let relation = match other.cmp(&row) {
        std::cmp::Ordering::Less => return None,
        std::cmp::Ordering::Equal => "beside",
        std::cmp::Ordering::Greater => "above",
    };
    Some(format!(
        "`{name}` depends on `{dependency}`, which is {relation} it"
    ))
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, dependencies: &[&str], expected: &[&str]) {
        assert_eq!(faults(name, dependencies.iter().copied()), expected);
    }

    #[test]
    fn a_crate_looks_down_only() {
        check(
            "llmteam-cli",
            &["llmteam", "llmteam-providers", "clap"],
            &[],
        );
        check(
            "llmteam-workflow",
            &["llmteam-orchestration", "llmteam-security"],
            &[],
        );
        check(
            "llmteam-security",
            &["serde", "llmteam-workflow"],
            &["`llmteam-security` depends on `llmteam-workflow`, which is above it"],
        );
        check(
            "llmteam",
            &["llmteam-providers"],
            &["`llmteam` depends on `llmteam-providers`, which is beside it"],
        );
        check(
            "xtask",
            &["llmteam"],
            &["`xtask` depends on `llmteam`, which is above it"],
        );
    }

    #[test]
    fn outside_crates_stay_in_their_places() {
        check("llmteam-canvas", &["petgraph"], &[]);
        check(
            "llmteam-canvas",
            &["sqlx", "axum"],
            &[
                "`llmteam-canvas` depends on `sqlx`, which belongs to `llmteam-security`, `llmteam-workflow`, `llmteam-tests`",
                "`llmteam-canvas` depends on `axum`, which belongs to `llmteam-server`, `llmteam-tests`",
            ],
        );
    }

    #[test]
    fn a_new_crate_must_be_given_a_place() {
        check(
            "llmteam-extra",
            &[],
            &["`llmteam-extra` has no place in `LAYERS` of xtask/src/layers.rs"],
        );
    }
}
