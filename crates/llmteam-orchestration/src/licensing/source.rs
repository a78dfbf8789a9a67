//! Where a licence may be found, and what was found where.
//!
//! Invariant: every source is looked at and reported; one that holds something other than a licence that counts is an
//! error, whatever the others hold; the working directory is no source. This file does not know what a licence allows.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use llmteam_security::Clock;

use super::{
    error::{LicenseError, LicenseValidationError},
    key::TrustedKeys,
    manager::LicenseManager,
};

/// The environment variable of [`LicenseSource::usual`].
const VARIABLE: &str = "LLMTEAM_LICENSE_KEY";
/// More than any licence has, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A place that may hold a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LicenseSource {
    /// The text itself, in an environment variable.
    Environment(String),
    /// A file.
    File(PathBuf),
}

impl LicenseSource {
    /// The environment variable `LLMTEAM_LICENSE_KEY`, then `.llmteam/license.key` of the user's directory.
    pub fn usual() -> Vec<Self> {
        let home = env::var_os("HOME").or_else(|| env::var_os("USERPROFILE"));
        let home = home.filter(|it| !it.is_empty());
        let file = home.map(|home| Self::File(Path::new(&home).join(".llmteam/license.key")));
        [Self::Environment(VARIABLE.to_owned())]
            .into_iter()
            .chain(file)
            .collect()
    }

    /// What it holds; `None` where there is nothing. A variable may lack the last line end, which shells take away,
    /// and an empty variable is none.
    fn read(&self) -> io::Result<Option<String>> {
        match self {
            Self::Environment(name) => match env::var(name) {
                Ok(text) if text.is_empty() => Ok(None),
                Ok(text) if text.ends_with('\n') => Ok(Some(text)),
                Ok(text) => Ok(Some(text + "\n")),
                Err(env::VarError::NotPresent) => Ok(None),
                // The error itself would show the value.
                Err(env::VarError::NotUnicode(_)) => {
                    Err(io::Error::other("its value is not UTF-8"))
                }
            },
            Self::File(path) => match fs::metadata(path) {
                Ok(about) if about.len() > LONGEST => {
                    Err(io::Error::other("it is too large for a licence"))
                }
                Ok(_) => fs::read_to_string(path).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}

impl fmt::Display for LicenseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
        }
    }
}

/// What became of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceOutcome {
    /// There is nothing.
    Absent,
    /// Its licence is in force.
    Active,
    /// Its licence would count; one from a source before it does.
    Unused,
    /// It cannot be read.
    Unreadable(String),
    /// It holds something that does not count.
    Refused(LicenseError),
}

impl fmt::Display for SourceOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing there"),
            Self::Active => f.write_str("in force"),
            Self::Unused => f.write_str("valid, not used"),
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

/// All sources in order, and what became of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LicenseReport(pub Vec<(LicenseSource, SourceOutcome)>);

impl fmt::Display for LicenseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (source, outcome)) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{source}: {outcome}")?;
        }
        Ok(())
    }
}

/// A source holds something that does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no licence is in force: {0}")]
pub struct LicenseLoadError(pub LicenseReport);

impl LicenseManager {
    /// A manager with the licence of the first source that holds one; Community where none does.
    ///
    /// # Errors
    /// [`LicenseLoadError`] with the report of all sources, where one of them holds something that does not count:
    /// who configured a licence is not silently without. The host may go on with [`LicenseManager::new`].
    pub fn load(
        sources: impl IntoIterator<Item = LicenseSource>,
        keys: TrustedKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, LicenseReport), LicenseLoadError> {
        let manager = Self::new(keys, clock);
        let mut report = LicenseReport::default();
        let mut in_force = false;
        for source in sources {
            let outcome = match source.read() {
                Ok(None) => SourceOutcome::Absent,
                Err(error) => SourceOutcome::Unreadable(error.to_string()),
                Ok(Some(text)) if text.trim().is_empty() => {
                    SourceOutcome::Refused(LicenseValidationError::malformed("it is empty").into())
                }
                Ok(Some(text)) => match manager.check(&text) {
                    Err(error) => SourceOutcome::Refused(error),
                    Ok(_) if in_force => SourceOutcome::Unused,
                    Ok(_) => match manager.activate(&text) {
                        Ok(_) => {
                            in_force = true;
                            SourceOutcome::Active
                        }
                        Err(error) => SourceOutcome::Refused(error),
                    },
                },
            };
            report.0.push((source, outcome));
        }
        let bad = |(_, outcome): &(_, SourceOutcome)| {
            matches!(
                outcome,
                SourceOutcome::Unreadable(_) | SourceOutcome::Refused(_)
            )
        };
        if report.0.iter().any(bad) {
            Err(LicenseLoadError(report))
        } else {
            Ok((manager, report))
        }
    }
}
