//! `cargo xtask conformance`: runs a folder of conformance cases through the public runner.

use crate::process::{Result, cargo, run};

pub(crate) struct Conformance {
    pub(crate) dir: String,
    /// List the rules with their cases instead of running them.
    pub(crate) rules: bool,
}

impl Conformance {
    pub(crate) fn run(&self) -> Result<()> {
        let mut command = cargo("run --quiet --package llmteam-tests --bin conformance --");
        command.arg(&self.dir);
        if self.rules {
            command.arg("--rules");
        }
        run(&mut command)
    }
}
