//! A sliding window in 60 parts, of which each leaves only as a whole.
//!
//! Invariant: what was counted in a part stays counted while the current part and the 60 before it contain
//! that part. A request is therefore held for at least the length of the window, and for one part longer at
//! most; no interval of that length ever holds more than a limit that `total` was kept under.
//! This file does not know how long a part is, nor what the limit is.

/// Parts of a window, and the one that fills now.
const PARTS: u64 = 61;

/// The counts of a window.
#[derive(Debug)]
pub(super) struct Ring {
    counts: [u64; PARTS as usize],
    total: u64,
    /// The part that fills now.
    current: u64,
}

impl Ring {
    pub(super) fn new() -> Self {
        Self {
            counts: [0; PARTS as usize],
            total: 0,
            current: 0,
        }
    }

    /// Counts `requests` in the current part.
    pub(super) fn add(&mut self, requests: u64) {
        self.counts[Self::slot(self.current)] += requests;
        self.total += requests;
    }

    /// Moves on to `part`; what is 61 parts or more behind it leaves. An earlier part changes nothing.
    pub(super) fn advance(&mut self, part: u64) {
        let steps = part.saturating_sub(self.current).min(PARTS);
        for step in 1..=steps {
            // The place of a part that comes is the place of the one that leaves.
            let count = &mut self.counts[Self::slot(part - steps + step)];
            self.total -= *count;
            *count = 0;
        }
        self.current = self.current.max(part);
    }

    /// How many requests are in the window.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The part at whose start the window holds fewer than `limit`, which is above 0; the current part when it
    /// already does.
    pub(super) fn room_from(&self, limit: u64) -> u64 {
        let oldest = self.current.saturating_sub(PARTS - 1);
        let mut left = self.total;
        for part in oldest..=self.current {
            if left < limit {
                break;
            }
            left -= self.counts[Self::slot(part)];
            if left < limit {
                return part + PARTS;
            }
        }
        self.current
    }

    fn slot(part: u64) -> usize {
        (part % PARTS) as usize
    }
}
