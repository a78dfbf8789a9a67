//! Test binaries and programs: compiled once for the whole workspace. A test binary knows the names of its tests.

use std::{
    collections::HashMap,
    io::BufReader,
    path::{Path, PathBuf},
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
    programs: HashMap<String, PathBuf>,
}

/// Compiles all tests and programs; with `fast` only the tests of libraries and programs.
///
/// One call of cargo for both: programs compiled apart would get other features of the same dependencies, which
/// would then all be compiled a second time.
pub(crate) fn compile(fast: bool) -> Result<Compiled> {
    let metadata = workspace()?;
    let names: HashMap<&PackageId, &str> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.as_str()))
        .collect();
    let words = if fast {
        "test --no-run --lib --bins"
    } else {
        "build --bins --tests"
    };
    let mut compiled = Compiled {
        tests: Vec::new(),
        programs: HashMap::new(),
    };
    for artifact in artifacts(&format!("{words} --workspace"))? {
        let (Some(path), Some(package)) = (&artifact.executable, names.get(&artifact.package_id))
        else {
            continue;
        };
        if artifact.profile.test {
            let folder = artifact
                .manifest_path
                .parent()
                .map(Into::into)
                .unwrap_or_default();
            compiled.tests.push(Binary {
                id: id(package, &artifact),
                path: path.into(),
                folder,
            });
        } else {
            compiled
                .programs
                .insert(artifact.target.name.clone(), path.into());
        }
    }
    compiled.tests.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(compiled)
}

impl Compiled {
    /// A program of the workspace, such as `llmteam`.
    pub(crate) fn program(&self, name: &str) -> Result<&Path> {
        let path = self.programs.get(name).map(PathBuf::as_path);
        path.ok_or_else(|| Failure(format!("the workspace has no program `{name}`")))
    }
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
