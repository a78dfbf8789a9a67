//! What one expression may cost.
//!
//! Invariant: an evaluation ends after at most [`MAX_STEPS`] steps and never holds a built value above [`MAX_BYTES`].
//! A node or a macro iteration is one step; work that grows with the data (comparing, searching, copying) adds a
//! fraction of a step per item or byte, so that a large input cannot hide work behind few nodes.

use super::error::Fault;

/// The longest text of an expression, in characters.
pub const MAX_CHARS: usize = 1_000;
/// The steps one evaluation may take.
pub const MAX_STEPS: u32 = 10_000;
/// The largest value that an evaluation may build, in bytes of JSON.
pub const MAX_BYTES: usize = 64 * 1024;

const UNITS_PER_STEP: u64 = 1_024;
const UNITS_PER_ITEM: u64 = 64;
const MATCHES_PER_UNIT: u64 = 2;
const STEPS_PER_PATTERN: u64 = 500;

/// The steps that are left of one evaluation.
#[derive(Debug)]
pub(super) struct Budget {
    units: u64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            units: u64::from(MAX_STEPS) * UNITS_PER_STEP,
        }
    }

    /// One node or one macro iteration.
    pub(super) fn step(&mut self) -> Result<(), Fault> {
        self.spend(UNITS_PER_STEP)
    }

    /// Text that is compared, searched, counted or copied.
    pub(super) fn bytes(&mut self, count: usize) -> Result<(), Fault> {
        self.spend(count as u64)
    }

    /// List items or map entries that are compared or copied.
    pub(super) fn items(&mut self, count: usize) -> Result<(), Fault> {
        self.spend((count as u64).saturating_mul(UNITS_PER_ITEM))
    }

    /// Text that a pattern with so many positions runs over.
    pub(super) fn matched(&mut self, bytes: usize, positions: usize) -> Result<(), Fault> {
        self.spend((bytes as u64).saturating_mul(positions as u64) / MATCHES_PER_UNIT)
    }

    /// A regular expression that is compiled during the evaluation.
    pub(super) fn pattern(&mut self) -> Result<(), Fault> {
        self.spend(STEPS_PER_PATTERN * UNITS_PER_STEP)
    }

    fn spend(&mut self, units: u64) -> Result<(), Fault> {
        match self.units.checked_sub(units) {
            Some(left) => {
                self.units = left;
                Ok(())
            }
            None => {
                self.units = 0;
                Err(Fault::Limit(
                    format!("the cost limit of {MAX_STEPS} steps is reached").into(),
                ))
            }
        }
    }
}

/// Refuses a built value above the limit.
pub(super) fn fits(bytes: usize) -> Result<(), Fault> {
    if bytes > MAX_BYTES {
        return Err(Fault::Limit(
            format!("a value above {MAX_BYTES} bytes is built").into(),
        ));
    }
    Ok(())
}

/// Why a text is too long to be an expression, if it is.
pub(super) fn too_long(text: &str) -> Option<String> {
    // A character takes at most four bytes, so most texts are settled without counting.
    (text.len() > MAX_CHARS && text.chars().nth(MAX_CHARS).is_some())
        .then(|| format!("longer than {MAX_CHARS} characters"))
}
