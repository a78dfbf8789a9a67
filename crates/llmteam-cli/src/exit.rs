//! Exit codes: 0 done, 1 the work failed or was refused, 2 the command could not be understood or read.

use llmteam::canvas::runner::SegmentStatus;

use crate::error::CliError;

/// Completed, valid, paused or waiting.
pub(crate) const DONE: u8 = 0;
/// Failed, cancelled, timed out, invalid.
pub(crate) const FAILED: u8 = 1;
/// Usage, unreadable file, bad JSON.
pub(crate) const USAGE: u8 = 2;

/// The exit code of a run that has come to `status`.
pub(crate) fn of_status(status: SegmentStatus) -> u8 {
    match status {
        SegmentStatus::Pending
        | SegmentStatus::Running
        | SegmentStatus::Waiting
        | SegmentStatus::Paused
        | SegmentStatus::Completed => DONE,
        SegmentStatus::Failed
        | SegmentStatus::Cancelled
        | SegmentStatus::Timeout
        | SegmentStatus::Quarantined => FAILED,
    }
}

/// The exit code of a command that ended with an error.
pub(crate) fn of_error(error: &CliError) -> u8 {
    match error {
        CliError::FileNotFound(_)
        | CliError::FileUnreadable { .. }
        | CliError::FileTooLarge { .. }
        | CliError::InvalidJson { .. }
        | CliError::InvalidInput(_)
        | CliError::Usage { .. }
        | CliError::Config { .. }
        | CliError::NoAuditLog => USAGE,
        CliError::InvalidSegment { .. }
        | CliError::Runner(_)
        | CliError::Journal(_)
        | CliError::Snapshot(_)
        | CliError::Human(_)
        | CliError::Database(_)
        | CliError::Audit(_)
        | CliError::Log(_)
        | CliError::Mining(_)
        | CliError::Design(_)
        | CliError::Tenant(_)
        | CliError::License(_)
        | CliError::ResourcesMissing { .. }
        | CliError::Output(_)
        | CliError::Interrupted { .. } => FAILED,
    }
}
