//! Why a command ended without its result: message, code and what to do next.

use std::path::PathBuf;

use llmteam::audit::AuditError;
use llmteam::canvas::runner::RunnerError;
use llmteam::canvas::validate::ValidationMessage;
use llmteam::human::HumanError;
use llmteam::id::RunId;
use llmteam::licensing::LicenseValidationError;
use llmteam::mining::{DesignError, LogError};
use llmteam::persistence::{JournalError, SnapshotError};
use llmteam::roles::mining::MiningError;
use llmteam::sql::SqlError;
use llmteam::tenancy::TenantError;

/// A command's error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("File not found: {}", .0.display())]
    FileNotFound(PathBuf),
    #[error("file `{}` cannot be read: {reason}", path.display())]
    FileUnreadable { path: PathBuf, reason: String },
    #[error("file `{}` is larger than {limit} bytes", path.display())]
    FileTooLarge { path: PathBuf, limit: u64 },
    #[error("Invalid JSON in {}: {reason}", path.display())]
    InvalidJson { path: PathBuf, reason: String },
    #[error("Invalid input JSON: {0}")]
    InvalidInput(String),
    #[error("{message}")]
    Usage {
        message: String,
        hint: Option<String>,
    },
    #[error("the configuration `{}` is not valid:{}", path.display(), listed(faults))]
    Config { path: PathBuf, faults: Vec<String> },
    #[error("segment `{}` is not valid:{}", path.display(), listed(messages))]
    InvalidSegment {
        path: PathBuf,
        messages: Vec<ValidationMessage>,
    },
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Human(#[from] HumanError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Tenant(#[from] TenantError),
    #[error(transparent)]
    License(#[from] LicenseValidationError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Mining(#[from] MiningError),
    #[error(transparent)]
    Design(#[from] DesignError),
    #[error("`memory:` keeps no audit log; use a database")]
    NoAuditLog,
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("run `{run}` needs what the configuration does not name: {}", missing.join(", "))]
    ResourcesMissing {
        run: RunId,
        missing: Vec<String>,
        hint: String,
    },
    #[error("the result cannot be written: {0}")]
    Output(#[from] std::io::Error),
    #[error("stopped; run `{run}` is as far as it was recorded")]
    Interrupted { run: RunId, hint: Option<String> },
}

fn listed<T: ToString>(faults: &[T]) -> String {
    faults
        .iter()
        .map(|fault| format!("\n  {}", fault.to_string()))
        .collect()
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

impl CliError {
    /// A mistake in the arguments that clap cannot see.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: None,
        }
    }

    /// The stable code, where there is one.
    pub(crate) fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::FileNotFound(_) => "FILE_NOT_FOUND",
            Self::FileUnreadable { .. } => "FILE_UNREADABLE",
            Self::FileTooLarge { .. } => "TOO_LARGE",
            Self::InvalidJson { .. } | Self::InvalidInput(_) => "INVALID_JSON",
            Self::Config { .. } => "INVALID_CONFIG",
            Self::ResourcesMissing { .. } => "RESOURCE_NOT_FOUND",
            Self::Journal(error) => error.code(),
            Self::Human(error) => error.code(),
            Self::Runner(error) => return of_runner(error),
            Self::Usage { .. }
            | Self::InvalidSegment { .. }
            | Self::Snapshot(_)
            | Self::Audit(_)
            | Self::Tenant(_)
            | Self::License(_)
            | Self::Log(_)
            | Self::Mining(_)
            | Self::Design(_)
            | Self::NoAuditLog
            | Self::Database(_)
            | Self::Output(_)
            | Self::Interrupted { .. } => return None,
        })
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::Interrupted { hint, .. } => hint.clone(),
            Self::ResourcesMissing { hint, .. } => Some(hint.clone()),
            Self::Runner(RunnerError::RunAlreadyExists(run)) => Some(format!(
                "`llmteam resume {run}` goes on with it; another `--run-id` starts anew"
            )),
            Self::Tenant(TenantError::NotFound { tenant_id }) => {
                Some(format!("make it with: llmteam tenants create {tenant_id}"))
            }
            Self::Runner(RunnerError::RunActive(_)) => {
                Some("wait until that process is done, or end it first".to_owned())
            }
            _ => None,
        }
    }

    /// Tells the person: message, code, hint.
    pub(crate) fn show(&self) {
        match self.code() {
            Some(code) => eprintln!("error[{code}]: {self}"),
            None => eprintln!("error: {self}"),
        }
        if let Some(hint) = self.hint() {
            eprintln!("hint: {hint}");
        }
    }
}

fn of_runner(error: &RunnerError) -> Option<&'static str> {
    Some(match error {
        RunnerError::RunAlreadyExists(_) => "RUN_EXISTS",
        RunnerError::RunNotFound(_) => "RUN_NOT_FOUND",
        RunnerError::RunOver { .. } => "RUN_ENDED",
        RunnerError::RunActive(_) => "RUN_ACTIVE",
        RunnerError::Quarantined { .. } => "JOURNAL_CORRUPT",
        RunnerError::StoreUnavailable(error) => error.code(),
        _ => return None,
    })
}
