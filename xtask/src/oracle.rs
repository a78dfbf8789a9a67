//! `cargo xtask oracle`, and the stage of `ci`: what pm4py says of logs and nets, beside what we say.
//!
//! Invariant: pm4py lives in a Python of its own in the cache of tools and is asked as another program. Its licence
//! (AGPL-3.0-or-later) asks for more: nothing of it is built in, copied or shipped.

use std::{fs, path::PathBuf};

use crate::{
    binaries::Compiled,
    process::{self, Failure, Result, at, cargo, program},
    tools,
};

/// What `--without` calls it.
pub(crate) const NAME: &str = "pm4py";
/// The version whose answers are known.
const VERSION: &str = "2.7.23.11";

/// Asks, and fails where the answers differ.
pub(crate) fn run() -> Result<()> {
    process::run(cargo("run --quiet --package llmteam-oracle --").arg(python()?))
}

/// The same with the program that the tests were built with.
pub(crate) fn ask(compiled: &Compiled) -> Result<()> {
    let python = python().map_err(|error| {
        Failure(format!(
            "{error}\npm4py needs python3 with venv and pip; to go on without, add: --without {NAME}"
        ))
    })?;
    process::run(program(compiled.program("llmteam-oracle")?).arg(python))
}

/// A Python that has pm4py, installed if there is none yet.
fn python() -> Result<PathBuf> {
    let folder = tools::cache()?.join(format!("{NAME}-{VERSION}"));
    let python = folder.join("bin").join("python");
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    println!("installing {NAME} {VERSION} into {}", folder.display());
    process::run(
        program("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    let mut install = program(&python);
    install.args("-m pip install --quiet --disable-pip-version-check".split(' '));
    process::run(install.arg(format!("{NAME}=={VERSION}")))?;
    fs::write(&complete, VERSION).map_err(at(&complete))?;
    Ok(python)
}
