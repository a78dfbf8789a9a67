//! `cargo xtask lint`: what needs no test run to be seen.

use crate::{
    layers,
    process::{self, Result, cargo},
    tidy,
};

pub(crate) fn fmt() -> Result<()> {
    process::run(&mut cargo("fmt --all --check"))
}

pub(crate) fn clippy() -> Result<()> {
    process::run(&mut cargo(
        "clippy --quiet --workspace --all-targets -- -D warnings",
    ))
}

pub(crate) fn run() -> Result<()> {
    fmt()?;
    clippy()?;
    layers::run()?;
    tidy::run()
}
