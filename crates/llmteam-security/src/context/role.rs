//! The part a viewer plays.
//!
//! Invariant: the four wire strings are the only texts that name a role; whatever else is read is an error, so a
//! role that nobody defined can never be granted anything.
//! This module does not know what a role may see.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Wire string of [`ViewerRole::Agent`].
pub const ROLE_AGENT: &str = "agent";
/// Wire string of [`ViewerRole::PipelineOrch`].
pub const ROLE_PIPELINE_ORCH: &str = "pipeline_orch";
/// Wire string of [`ViewerRole::GroupOrch`].
pub const ROLE_GROUP_ORCH: &str = "group_orch";
/// Wire string of [`ViewerRole::System`].
pub const ROLE_SYSTEM: &str = "system";

/// The part a viewer plays. Written as its wire string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ViewerRole {
    /// `agent`: does its own work and sees nobody else's.
    Agent,
    /// `pipeline_orch`: directs the agents of a pipeline.
    PipelineOrch,
    /// `group_orch`: directs pipelines, and groups of them.
    GroupOrch,
    /// `system`: serves a tenant as a whole, such as snapshots and operation.
    System,
}

impl ViewerRole {
    /// All roles.
    pub const ALL: [Self; 4] = [
        Self::Agent,
        Self::PipelineOrch,
        Self::GroupOrch,
        Self::System,
    ];

    /// The wire string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => ROLE_AGENT,
            Self::PipelineOrch => ROLE_PIPELINE_ORCH,
            Self::GroupOrch => ROLE_GROUP_ORCH,
            Self::System => ROLE_SYSTEM,
        }
    }

    /// Whether it directs others.
    pub const fn is_orchestrator(self) -> bool {
        matches!(self, Self::PipelineOrch | Self::GroupOrch)
    }
}

/// A text that names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no viewer role; write `agent`, `pipeline_orch`, `group_orch` or `system`")]
pub struct UnknownRole(String);

impl FromStr for ViewerRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let named = Self::ALL.into_iter().find(|role| role.as_str() == text);
        named.ok_or_else(|| UnknownRole(super::error::shown(text)))
    }
}

impl TryFrom<String> for ViewerRole {
    type Error = UnknownRole;

    fn try_from(text: String) -> Result<Self, UnknownRole> {
        text.parse()
    }
}

impl From<ViewerRole> for String {
    fn from(role: ViewerRole) -> Self {
        role.as_str().to_owned()
    }
}

impl fmt::Display for ViewerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_role_is_its_wire_string_and_nothing_near_it() {
        // covers: CTX-01
        for role in ViewerRole::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            let json = serde_json::to_value(role).unwrap();
            assert_eq!(serde_json::from_value::<ViewerRole>(json).unwrap(), role);
        }
        for text in [
            "Agent",
            "agent ",
            " agent",
            "",
            "superuser",
            "SYSTEM",
            "group-orch",
        ] {
            assert!(text.parse::<ViewerRole>().is_err(), "{text:?}");
            assert!(serde_json::from_value::<ViewerRole>(text.into()).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_role(text in "(agent|pipeline_orch|group_orch|system|[a-z_ ]{0,13}|.{0,8})") {
            let known = [ROLE_AGENT, ROLE_PIPELINE_ORCH, ROLE_GROUP_ORCH, ROLE_SYSTEM];
            prop_assert_eq!(text.parse::<ViewerRole>().is_ok(), known.contains(&text.as_str()));
        }
    }
}
