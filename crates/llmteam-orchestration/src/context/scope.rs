//! How far a context reaches.
//!
//! Invariant: the order is agent, pipeline, group, and a context stands only under one of a later scope. Every link
//! leads upward in that order, so no chain of links closes a circle.
//! This module does not know contexts.

use std::{fmt, str::FromStr};

use llmteam_security::context::ViewerRole;
use serde::{Deserialize, Serialize};

/// How far a context reaches, from narrow to wide. Written as its wire string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextScope {
    /// `agent`: one agent.
    Agent,
    /// `pipeline`: the agents of a pipeline.
    Pipeline,
    /// `group`: pipelines, and agents of no pipeline.
    Group,
}

impl ContextScope {
    /// All scopes, narrow to wide.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Pipeline, Self::Group];

    /// The wire string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Pipeline => "pipeline",
            Self::Group => "group",
        }
    }

    /// The part that the owner of such a context plays as a viewer.
    pub const fn role(self) -> ViewerRole {
        match self {
            Self::Agent => ViewerRole::Agent,
            Self::Pipeline => ViewerRole::PipelineOrch,
            Self::Group => ViewerRole::GroupOrch,
        }
    }

    /// Whether a context of this scope may stand directly under one of scope `upper`.
    pub fn fits_under(self, upper: Self) -> bool {
        self < upper
    }
}

/// A text that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope; write `agent`, `pipeline` or `group`")]
pub struct UnknownScope(String);

impl FromStr for ContextScope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let named = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        named.ok_or_else(|| UnknownScope(super::error::shown(text)))
    }
}

impl fmt::Display for ContextScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_its_wire_string() {
        for scope in ContextScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        for text in ["Agent", "team", ""] {
            assert!(text.parse::<ContextScope>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_a_wider_scope_stands_above() {
        // covers: C13
        use ContextScope as S;
        let fitting: Vec<_> = S::ALL
            .into_iter()
            .flat_map(|lower| S::ALL.map(|upper| (lower, upper)))
            .filter(|(lower, upper)| lower.fits_under(*upper))
            .collect();
        let expected = [
            (S::Agent, S::Pipeline),
            (S::Agent, S::Group),
            (S::Pipeline, S::Group),
        ];
        assert_eq!(fitting, expected);
    }
}
