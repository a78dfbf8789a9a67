//! Running other programs: where the repository is, which cargo to call, and what failed.

use std::{
    fmt, io,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Why a command of xtask stopped: one message for a person.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<cargo_metadata::Error> for Failure {
    fn from(error: cargo_metadata::Error) -> Self {
        Self(format!("cargo metadata: {error}"))
    }
}

/// Says which path an I/O error is about.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure(format!("`{}`: {error}", path.display()))
}

/// The root of the repository: the folder above this crate.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A program run at the root, without what `cargo run` told xtask about itself: build scripts watch those
/// variables, and would rebuild each time a person goes from `cargo xtask` to `cargo`.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// `cargo WORDS`, the same cargo that runs xtask.
pub(crate) fn cargo(words: &str) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words.split_whitespace());
    command
}

/// Metadata of the workspace, without its dependencies.
pub(crate) fn workspace() -> Result<cargo_metadata::Metadata> {
    let mut query = cargo_metadata::MetadataCommand::new();
    Ok(query.current_dir(root()).no_deps().exec()?)
}

/// Runs to the end with our own output; anything but success is a failure that names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure(format!("`{}` failed: {status}", line(command))))
    }
}

/// Runs to the end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| cannot_start(command, &error))
}

/// Whether the program can be started and says yes.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    output(command).is_ok_and(|output| output.status.success())
}

pub(crate) fn cannot_start(command: &Command, error: &io::Error) -> Failure {
    Failure(format!("`{}` cannot be started: {error}", line(command)))
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = std::iter::once(program.file_name().unwrap_or(program.as_os_str()));
    let words: Vec<_> = words
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect();
    words.join(" ")
}
