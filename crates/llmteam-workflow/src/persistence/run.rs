//! The row of a run: what it is, what it has come to, who owns it.
//!
//! The row repeats what the journal says, so that a list of runs folds none; the journal is the truth.

use std::{fmt, str::FromStr};

use llmteam_security::{
    audit::AuditEvent,
    clock::Timestamp,
    id::{InstanceId, RunId, SegmentId, TenantId},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{journal::JournalVersion, lease::Owner};

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Accepted; no step has started.
    Pending,
    /// At work.
    Running,
    /// Nothing runs, and at least one step is suspended.
    Waiting,
    /// Stopped by request; it goes on from its snapshot.
    Paused,
    /// Ended well.
    Completed,
    /// Ended by an error.
    Failed,
    /// Ended by request.
    Cancelled,
    /// Ended by its deadline.
    Timeout,
    /// Set aside: it cannot go on without a person who looks at it.
    Quarantined,
}

/// A text that is no run state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run state")]
pub struct UnknownRunState(String);

impl RunState {
    /// All states.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Timeout,
        Self::Quarantined,
    ];

    /// The state as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Quarantined => "quarantined",
        }
    }

    /// Whether the run has ended: its journal takes nothing more.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Timeout
        )
    }

    /// Whether an owner is at work on it.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RunState {
    type Err = UnknownRunState;

    fn from_str(text: &str) -> Result<Self, UnknownRunState> {
        let known = Self::ALL.into_iter().find(|it| it.as_str() == text);
        known.ok_or_else(|| UnknownRunState(text.chars().take(64).collect()))
    }
}

/// A run that is about to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// Whose it is.
    pub tenant: TenantId,
    /// The instance whose state it works on.
    pub instance: InstanceId,
    /// Its id; unique in the tenant.
    pub run: RunId,
    /// The segment it runs.
    pub segment: SegmentId,
    /// Content hash of the definition it is pinned to.
    pub definition: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The run it is a child of.
    pub parent: Option<RunId>,
    /// What the tenant's audit log is to say of its beginning.
    pub audit: Vec<AuditEvent>,
}

/// What a run has come to, stored in one commit with the entries that say so.
#[derive(Clone, Debug, PartialEq)]
pub struct RunUpdate {
    /// What it is doing now. A final state ends the journal and gives the lease back.
    pub state: RunState,
    /// The result as JSON, once there is one.
    pub summary: Option<Value>,
    /// When it wants to be woken.
    pub wake_at: Option<Timestamp>,
    /// What the tenant's audit log is to say of it.
    pub audit: Vec<AuditEvent>,
}

/// What is known of a run without reading its journal.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Whose it is.
    pub tenant: TenantId,
    /// The instance whose state it works on.
    pub instance: InstanceId,
    /// Its id.
    pub run: RunId,
    /// The segment it runs.
    pub segment: SegmentId,
    /// Content hash of the definition it is pinned to.
    pub definition: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The run it is a child of.
    pub parent: Option<RunId>,
    /// What it is doing.
    pub state: RunState,
    /// The result as JSON, once there is one.
    pub summary: Option<Value>,
    /// When it wants to be woken.
    pub wake_at: Option<Timestamp>,
    /// The time of its last entry.
    pub updated_at: Timestamp,
    /// How many entries its journal has: the index of the next one.
    pub next_index: u64,
    /// How often it changed hands; each lease has its own.
    pub epoch: u64,
    /// Claims since the journal last grew. A run that kills whoever claims it shows here.
    pub idle_claims: u32,
    /// Who owns it; nobody owns a run that waits, is paused or has ended.
    pub owner: Option<Owner>,
    /// The format its journal is stored in.
    pub version: JournalVersion,
}

/// Which runs of a tenant are listed, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFilter {
    /// Only runs in one of these states; empty means any.
    pub states: Vec<RunState>,
    /// Only runs of this segment.
    pub segment: Option<SegmentId>,
    /// Only children of this run.
    pub parent: Option<RunId>,
    /// Only runs created before this one: the last of a page asks for the next.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            segment: None,
            parent: None,
            before: None,
            limit: 100,
        }
    }
}

impl RunFilter {
    /// Whether a run is listed, apart from its place in the order.
    pub(super) fn takes(&self, row: &RunRow) -> bool {
        (self.states.is_empty() || self.states.contains(&row.state))
            && self.segment.as_ref().is_none_or(|it| *it == row.segment)
            && (self.parent.is_none() || self.parent == row.parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_written_as_they_are_read() {
        for state in RunState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
            assert_eq!(
                serde_json::to_value(state).unwrap(),
                Value::from(state.as_str())
            );
        }
        assert!("Running".parse::<RunState>().is_err());
        assert!(serde_json::from_str::<RunState>("\"done\"").is_err());
    }
}
