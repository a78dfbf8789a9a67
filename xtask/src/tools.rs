//! Cargo tools that CI needs: taken from the path, or installed once into a cache outside the target directory.

use std::{env, ffi::OsString, fs, num::NonZeroUsize, path::PathBuf};

use crate::{
    process::{Failure, Result, at, cargo, program, run, succeeds, workspace},
    services::Variable,
};

/// A cargo subcommand, in a version known to work here.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    version: &'static str,
}

pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};
pub(crate) const HACK: Tool = Tool {
    name: "cargo-hack",
    version: "0.6.46",
};
const TARPAULIN: Tool = Tool {
    name: "cargo-tarpaulin",
    version: "0.37.5",
};

impl Tool {
    /// The program, installed if it is nowhere yet. Building one takes minutes; it happens once per machine.
    pub(crate) fn path(&self) -> Result<OsString> {
        if succeeds(program(self.name).arg("--version")) {
            return Ok(self.name.into());
        }
        let cache = cache()?;
        let path = cache.join("bin").join(self.name);
        if !path.exists() {
            println!(
                "installing {} {} into {}",
                self.name,
                self.version,
                cache.display()
            );
            let build = cache.join("build");
            let mut install = cargo("install --quiet --locked --root");
            install
                .arg(&cache)
                .args([self.name, "--version", self.version]);
            run(install.env("CARGO_TARGET_DIR", &build))?;
            fs::remove_dir_all(&build).map_err(at(&build))?;
        }
        Ok(path.into())
    }
}

/// `--coverage`: line coverage of the libraries by the tests that stand beside their code, or those of one module, as
/// lcov and as a summary. What runs in other processes is not counted.
pub(crate) fn coverage(
    module: Option<&str>,
    threads: NonZeroUsize,
    env: Vec<Variable>,
) -> Result<()> {
    let target = workspace()?.target_directory;
    let mut tarpaulin = program(TARPAULIN.path()?);
    tarpaulin.args(
        "tarpaulin --workspace --lib --engine llvm --skip-clean --out Lcov --out Stdout".split(' '),
    );
    tarpaulin.args([
        "--target-dir",
        target.join("tarpaulin").as_str(),
        "--output-dir",
        target.as_str(),
    ]);
    tarpaulin.args(["--", &format!("--test-threads={threads}")]);
    run(tarpaulin.args(module).envs(env))
}

/// The folder that tools are installed into once per machine.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    base.map(|base| base.join("llmteam-tools"))
        .ok_or_else(|| Failure("`HOME` is not set".into()))
}
