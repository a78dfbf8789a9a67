//! The three sizes of the product.
//!
//! Invariant: they are ordered, and each has one text. This file does not know what a tier allows.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A size of the product.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LicenseTier {
    /// Without a licence.
    #[default]
    Community,
    /// For one team.
    Professional,
    /// Without limits.
    Enterprise,
}

/// A text that is no tier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tier: `community`, `professional` or `enterprise`")]
pub struct UnknownTier(String);

impl LicenseTier {
    /// All of them, the smallest first.
    pub const ALL: [Self; 3] = [Self::Community, Self::Professional, Self::Enterprise];

    /// The tier as licences and JSON name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::Professional => "professional",
            Self::Enterprise => "enterprise",
        }
    }

    /// The tier as people read it.
    pub fn display_name(self) -> &'static str {
        match self {
            Self::Community => "Community",
            Self::Professional => "Professional",
            Self::Enterprise => "Enterprise",
        }
    }

    /// Whether it takes a licence.
    pub fn is_paid(self) -> bool {
        self > Self::Community
    }
}

impl fmt::Display for LicenseTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LicenseTier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        let found = Self::ALL.into_iter().find(|tier| tier.as_str() == text);
        found.ok_or_else(|| UnknownTier(text.chars().take(64).collect()))
    }
}
