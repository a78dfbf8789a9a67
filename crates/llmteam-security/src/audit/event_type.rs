//! What an audit record can be about, and how grave it is.
//!
//! Invariant: both enums are closed, and their wire strings never change; a stored string that is not among them is
//! refused, not guessed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::AuditError;

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $wire:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* #[doc = concat!("`", $wire, "`")] $variant,)*
        }

        impl $name {
            /// Every member, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The wire string.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }
        }

        impl FromStr for $name {
            type Err = AuditError;

            fn from_str(text: &str) -> Result<Self, AuditError> {
                match text {
                    $($wire => Ok(Self::$variant),)*
                    _ => Err(AuditError::invalid($what, text)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

wire_enum! {
    /// What happened.
    AuditEventType, "an audit event type" {
        PipelineCreated = "pipeline.created",
        PipelineStarted = "pipeline.started",
        PipelineCompleted = "pipeline.completed",
        PipelineFailed = "pipeline.failed",
        PipelinePaused = "pipeline.paused",
        PipelineResumed = "pipeline.resumed",
        PipelineCancelled = "pipeline.cancelled",
        PipelineSnapshotCreated = "pipeline.snapshot_created",
        PipelineSnapshotRestored = "pipeline.snapshot_restored",
        PipelineSnapshotDeleted = "pipeline.snapshot_deleted",
        AgentStarted = "agent.started",
        AgentCompleted = "agent.completed",
        AgentFailed = "agent.failed",
        AgentRetried = "agent.retried",
        ApprovalRequested = "approval.requested",
        ApprovalGranted = "approval.granted",
        ApprovalRejected = "approval.rejected",
        ApprovalTimeout = "approval.timeout",
        ApprovalEscalated = "approval.escalated",
        ApprovalCompleted = "approval.completed",
        ApprovalCancelled = "approval.cancelled",
        InteractionRequested = "interaction.requested",
        InteractionClaimed = "interaction.claimed",
        InteractionDelegated = "interaction.delegated",
        InteractionCompleted = "interaction.completed",
        InteractionCancelled = "interaction.cancelled",
        InteractionTimeout = "interaction.timeout",
        InteractionEscalated = "interaction.escalated",
        ActionInvoked = "action.invoked",
        ActionCompleted = "action.completed",
        ActionFailed = "action.failed",
        AccessGranted = "security.access_granted",
        AccessDenied = "security.access_denied",
        ContextAccessed = "security.context_accessed",
        SealedDataAccessed = "security.sealed_data_accessed",
        AuthenticationSuccess = "security.auth_success",
        AuthenticationFailure = "security.auth_failure",
        ConfigChanged = "config.changed",
        PolicyChanged = "config.policy_changed",
        TenantCreated = "config.tenant_created",
        TenantUpdated = "config.tenant_updated",
        TenantDeleted = "config.tenant_deleted",
        DataCreated = "data.created",
        DataUpdated = "data.updated",
        DataDeleted = "data.deleted",
        DataExported = "data.exported",
        DataImported = "data.imported",
        /// The first record of every log.
        LogGenesis = "log.genesis",
        /// Old records were archived and removed.
        LogPruned = "log.pruned",
        /// Another log's size and root, kept in this one.
        LogAnchored = "log.anchored",
        /// The payloads under one key can no longer be read.
        PayloadShredded = "payload.shredded",
        /// The signing key changed.
        KeyRotated = "key.rotated",
    }
}

impl AuditEventType {
    /// Whether an occurrence is a security incident: a refusal or failure of security, whatever `success` says, or any
    /// other security event that failed.
    pub fn is_incident(self, success: bool) -> bool {
        match self {
            Self::AccessDenied | Self::AuthenticationFailure => true,
            _ => self.as_str().starts_with("security.") && !success,
        }
    }

    /// Whether the log itself writes it. Nobody else may.
    pub fn is_of_the_log(self) -> bool {
        matches!(
            self,
            Self::LogGenesis
                | Self::LogPruned
                | Self::LogAnchored
                | Self::PayloadShredded
                | Self::KeyRotated
        )
    }
}

wire_enum! {
    /// How grave it is, least first.
    AuditSeverity, "an audit severity" {
        Debug = "debug",
        Info = "info",
        Warning = "warning",
        Error = "error",
        Critical = "critical",
    }
}

wire_enum! {
    /// What kind of actor acts.
    ActorType, "an actor type" {
        User = "user",
        Agent = "agent",
        System = "system",
        External = "external",
        PipelineOrchestrator = "pipeline_orch",
        GroupOrchestrator = "group_orch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::lta1;

    // covers: AUD-29
    #[test]
    fn every_wire_string_reads_back_and_fits_a_record() {
        for kind in AuditEventType::ALL {
            assert_eq!(kind.as_str().parse::<AuditEventType>().unwrap(), *kind);
            assert!(lta1::is_action(kind.as_str()), "{kind}");
        }
        assert_eq!(AuditEventType::ALL.len(), 52);
        for bad in ["", "pipeline.Started", "pipeline.started ", "log"] {
            assert!(bad.parse::<AuditEventType>().is_err());
        }
        let json = serde_json::to_string(&AuditSeverity::Critical).unwrap();
        assert_eq!(json, "\"critical\"");
        assert!(serde_json::from_str::<AuditSeverity>("\"fatal\"").is_err());
        assert!(AuditSeverity::Debug < AuditSeverity::Critical);
    }

    #[test]
    fn refusals_are_incidents_whatever_success_says() {
        assert!(AuditEventType::AuthenticationFailure.is_incident(true));
        assert!(AuditEventType::AccessDenied.is_incident(true));
        assert!(AuditEventType::ContextAccessed.is_incident(false));
        assert!(!AuditEventType::ContextAccessed.is_incident(true));
        assert!(!AuditEventType::PipelineFailed.is_incident(false));
    }
}
