//! The version of the stored form of a journal.

use std::fmt;

/// How a run's journal is stored. Raise it when an older reader would misread an entry or its row.
/// A run keeps the version it was created in; readers accept older ones and refuse newer ones.
///
/// What a body means has a version of its own, which belongs to whoever writes the bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalVersion(u32);

impl JournalVersion {
    /// What this program writes.
    pub const CURRENT: Self = Self(1);

    /// The version with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether this program reads it.
    pub fn is_known(self) -> bool {
        self <= Self::CURRENT
    }
}

impl fmt::Display for JournalVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
