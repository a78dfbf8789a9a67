//! Licences, sources and known weaknesses of what the workspace is built from, by cargo-deny.

use crate::{
    process::{Failure, Result, output, program, run},
    tools::DENY,
};

/// What could be checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advisories {
    Checked,
    /// The database of advisories is on the network, and the network was not there.
    Unreachable,
}

pub(crate) fn check() -> Result<Advisories> {
    let deny = DENY.path()?;
    run(program(&deny)
        .args("--log-level error check --hide-inclusion-graph licenses bans sources".split(' ')))?;
    let advisories = output(program(&deny).args(["check", "advisories"]))?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        Ok(Advisories::Checked)
    } else if said.contains("failed to fetch advisory database") {
        println!("advisories are NOT checked: their database could not be fetched");
        Ok(Advisories::Unreachable)
    } else {
        Err(Failure(format!("{said}\nadvisories are not clean")))
    }
}
