//! `cargo xtask bench`: prints each figure as a ratio to a floor measured in the same run.

use crate::process::{Result, cargo, run};

pub(crate) struct Bench {
    /// One workload; all of them without a name.
    pub(crate) name: Option<String>,
}

impl Bench {
    pub(crate) fn run(&self) -> Result<()> {
        let mut command = cargo("run --quiet --release --package llmteam-tests --bin bench --");
        command.args(&self.name);
        run(&mut command)
    }
}
