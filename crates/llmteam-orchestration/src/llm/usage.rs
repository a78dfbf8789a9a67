//! What an answer cost in tokens.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Tokens of one answer, or the sum of several; sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Tokens read, those from a cache included.
    pub input: u64,
    /// Tokens written, hidden reasoning included.
    pub output: u64,
    /// The part of `input` that came from the provider's cache.
    pub cached: u64,
}

impl Usage {
    /// Tokens read and written.
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cached = self.cached.saturating_add(other.cached);
    }
}
