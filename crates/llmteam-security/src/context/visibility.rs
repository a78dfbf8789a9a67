//! How far a context may be seen, and how far its sensitivity allows it.
//!
//! Invariant: both orders are total: a later visibility is wider, a later sensitivity narrower. There is no level
//! for peers, and none can be added without every match on it failing to compile.
//! This module does not know who asks.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Who may see a context, from narrow to wide.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum VisibilityLevel {
    /// `self_only`: the owner.
    SelfOnly,
    /// `orchestrator`: the owner and its direct orchestrator.
    #[default]
    Orchestrator,
    /// `hierarchy`: the owner and every orchestrator above it.
    Hierarchy,
}

/// How much harm it does when a context is seen, from least to most.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SensitivityLevel {
    /// `public`: the whole hierarchy may see it.
    Public,
    /// `internal`: the direct orchestrator may see it.
    #[default]
    Internal,
    /// `confidential`: the direct pipeline orchestrator may see it, without reasoning and sources.
    Confidential,
    /// `secret`: the owner alone.
    Secret,
    /// `top_secret`: the owner alone; sealed values are encrypted and every access is recorded.
    TopSecret,
}

/// The widest visibility of each sensitivity.
pub const SENSITIVITY_VISIBILITY_MAP: [(SensitivityLevel, VisibilityLevel); 5] = [
    (SensitivityLevel::Public, VisibilityLevel::Hierarchy),
    (SensitivityLevel::Internal, VisibilityLevel::Orchestrator),
    (
        SensitivityLevel::Confidential,
        VisibilityLevel::Orchestrator,
    ),
    (SensitivityLevel::Secret, VisibilityLevel::SelfOnly),
    (SensitivityLevel::TopSecret, VisibilityLevel::SelfOnly),
];

/// The widest visibility that `sensitivity` allows.
pub const fn get_visibility_for_sensitivity(sensitivity: SensitivityLevel) -> VisibilityLevel {
    SENSITIVITY_VISIBILITY_MAP[sensitivity as usize].1
}

/// Whether `requested` is no wider than `sensitivity` allows.
pub fn is_visibility_allowed(requested: VisibilityLevel, sensitivity: SensitivityLevel) -> bool {
    requested <= get_visibility_for_sensitivity(sensitivity)
}

impl VisibilityLevel {
    /// All levels, narrow to wide.
    pub const ALL: [Self; 3] = [Self::SelfOnly, Self::Orchestrator, Self::Hierarchy];

    /// The wire string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SelfOnly => "self_only",
            Self::Orchestrator => "orchestrator",
            Self::Hierarchy => "hierarchy",
        }
    }
}

impl SensitivityLevel {
    /// All levels, least to most.
    pub const ALL: [Self; 5] = [
        Self::Public,
        Self::Internal,
        Self::Confidential,
        Self::Secret,
        Self::TopSecret,
    ];

    /// The wire string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Secret => "secret",
            Self::TopSecret => "top_secret",
        }
    }
}

/// A text that names no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no {1} level")]
pub struct UnknownLevel(String, &'static str);

impl FromStr for VisibilityLevel {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let named = Self::ALL.into_iter().find(|level| level.as_str() == text);
        named.ok_or_else(|| UnknownLevel(super::error::shown(text), "visibility"))
    }
}

impl FromStr for SensitivityLevel {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let named = Self::ALL.into_iter().find(|level| level.as_str() == text);
        named.ok_or_else(|| UnknownLevel(super::error::shown(text), "sensitivity"))
    }
}

impl fmt::Display for VisibilityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for SensitivityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_the_written_one_and_narrows_with_sensitivity() {
        // covers: CTX-26
        for (position, (sensitivity, visibility)) in SENSITIVITY_VISIBILITY_MAP.iter().enumerate() {
            assert_eq!(*sensitivity, SensitivityLevel::ALL[position]);
            assert_eq!(get_visibility_for_sensitivity(*sensitivity), *visibility);
        }
        for pair in SensitivityLevel::ALL.windows(2) {
            let widths = [pair[0], pair[1]].map(get_visibility_for_sensitivity);
            assert!(pair[0] < pair[1] && widths[0] >= widths[1]);
        }
    }

    #[test]
    fn a_wider_request_than_the_map_is_not_allowed() {
        // covers: CTX-26
        use {SensitivityLevel as S, VisibilityLevel as V};
        assert!(is_visibility_allowed(V::Hierarchy, S::Public));
        assert!(!is_visibility_allowed(V::Hierarchy, S::Internal));
        assert!(is_visibility_allowed(V::Orchestrator, S::Confidential));
        assert!(!is_visibility_allowed(V::Orchestrator, S::Secret));
        assert!(is_visibility_allowed(V::SelfOnly, S::TopSecret));
    }

    #[test]
    fn levels_are_their_wire_strings() {
        for level in VisibilityLevel::ALL {
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        for level in SensitivityLevel::ALL {
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert!("peers".parse::<VisibilityLevel>().is_err());
        assert!("Secret".parse::<SensitivityLevel>().is_err());
    }
}
