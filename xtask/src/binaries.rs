//! Test binaries: compiled once for the whole workspace, then asked for the names of their tests.

use std::{
    collections::HashMap,
    io::BufReader,
    path::PathBuf,
    process::{Command, Stdio},
};

use cargo_metadata::{Artifact, Message, PackageId, TargetKind};

use crate::process::{Failure, Result, cannot_start, cargo, output, program, workspace};

/// One compiled test binary.
pub(crate) struct Binary {
    /// `llmteam-canvas`, `llmteam-cli::bin/llmteam` or `llmteam-tests::it`.
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    /// The folder of its package, where cargo would start it.
    folder: PathBuf,
}

/// What a compilation of the workspace gives the test run.
pub(crate) struct Compiled {
    pub(crate) tests: Vec<Binary>,
    /// The `llmteam` program, for tests that drive it from outside.
    pub(crate) llmteam: Option<PathBuf>,
}

/// Compiles all tests; with `fast` those of libraries and programs only.
pub(crate) fn compile(fast: bool) -> Result<Compiled> {
    let metadata = workspace()?;
    let names: HashMap<&PackageId, &str> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.as_str()))
        .collect();
    let mut compiled = Compiled {
        tests: Vec::new(),
        llmteam: None,
    };
    let targets = if fast { " --lib --bins" } else { "" };
    for artifact in artifacts(&format!("test --workspace --no-run{targets}"))? {
        if let (true, Some(path), Some(package)) = (
            artifact.profile.test,
            &artifact.executable,
            names.get(&artifact.package_id),
        ) {
            compiled.tests.push(Binary {
                id: id(package, &artifact),
                path: path.into(),
                folder: artifact
                    .manifest_path
                    .parent()
                    .map(Into::into)
                    .unwrap_or_default(),
            });
        }
    }
    if !fast {
        let mut programs = artifacts("build --workspace --bins")?.into_iter();
        let program = programs
            .find(|artifact| artifact.target.name == "llmteam" && artifact.executable.is_some());
        compiled.llmteam = program
            .and_then(|artifact| artifact.executable)
            .map(Into::into);
    }
    compiled.tests.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(compiled)
}

impl Binary {
    /// The command that runs it, without a word about which tests.
    pub(crate) fn command(&self) -> Command {
        let mut command = program(&self.path);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .stdin(Stdio::null());
        command
    }

    /// The paths of its tests, as `module::tests::name`.
    pub(crate) fn list(&self) -> Result<Vec<String>> {
        let output = output(self.command().args(["--list", "--format", "terse"]))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure(format!(
                "`{}` does not list its tests: {}\n{said}",
                self.id, output.status
            )));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(str::to_owned)
            .collect())
    }
}

/// Runs cargo and collects what it says it built. Compiler messages go to the terminal as usual.
fn artifacts(words: &str) -> Result<Vec<Artifact>> {
    let mut command = cargo(words);
    command
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| cannot_start(&command, &error))?;
    let mut artifacts = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stdout)) {
            match message {
                Ok(Message::CompilerArtifact(artifact)) => artifacts.push(artifact),
                Ok(_) => {}
                Err(error) => return Err(Failure(format!("`cargo {words}`: {error}"))),
            }
        }
    }
    let status = child
        .wait()
        .map_err(|error| cannot_start(&command, &error))?;
    if status.success() {
        Ok(artifacts)
    } else {
        Err(Failure(format!("`cargo {words}` failed: {status}")))
    }
}

fn id(package: &str, artifact: &Artifact) -> String {
    let target = &artifact.target;
    match target.kind.first() {
        Some(TargetKind::Bin) => format!("{package}::bin/{}", target.name),
        Some(TargetKind::Test | TargetKind::Example | TargetKind::Bench) => {
            format!("{package}::{}", target.name)
        }
        _ => package.to_owned(),
    }
}
