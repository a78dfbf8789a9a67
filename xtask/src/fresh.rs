//! `cargo xtask fresh`: what a newcomer does. Clones the last commit into an empty folder with an empty target
//! directory and runs the commands that the README shows after `<!-- run -->` and `<!-- test -->`.

use std::{env, fs, process};

use crate::{
    clock::Stopwatch,
    process::{Failure, Result, at, program, root, run},
};

pub(crate) fn run_all() -> Result<()> {
    let clone = env::temp_dir().join(format!("llmteam-fresh-{}", process::id()));
    run(program("git")
        .args(["clone", "--quiet", "--no-local"])
        .arg(root())
        .arg(&clone))?;
    let readme = clone.join("README.md");
    let text = fs::read_to_string(&readme).map_err(at(&readme))?;
    let result = ["run", "test"].iter().try_for_each(|what| {
        let commands = block(&text, what)?.trim_end();
        println!("{commands}");
        let watch = Stopwatch::start();
        let mut bash = program("bash");
        bash.args(["-euo", "pipefail", "-c", commands])
            .current_dir(&clone);
        run(bash.env("CARGO_TARGET_DIR", clone.join("target")))?;
        println!("{what}: {watch}");
        Ok(())
    });
    fs::remove_dir_all(&clone).map_err(at(&clone))?;
    result
}

/// The fenced block that follows `<!-- NAME -->`.
fn block<'a>(readme: &'a str, name: &str) -> Result<&'a str> {
    let marker = format!("<!-- {name} -->");
    let block = readme.split_once(&marker).and_then(|(_, rest)| {
        let (_, rest) = rest.split_once("```")?;
        let (_, rest) = rest.split_once('\n')?;
        Some(rest.split_once("```")?.0)
    });
    block.ok_or_else(|| Failure(format!("README.md has no fenced block after `{marker}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_its_marker() {
        let readme = "# llmteam\n\n<!-- run -->\n```sh\ncargo run\n```\n\n<!-- test -->\n```sh\ncargo xtask ci\n```\n";
        assert_eq!(block(readme, "run").unwrap(), "cargo run\n");
        assert_eq!(block(readme, "test").unwrap(), "cargo xtask ci\n");
        assert!(block(readme, "bench").is_err());
    }
}
