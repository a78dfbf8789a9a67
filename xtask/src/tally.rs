//! How many tests passed, failed and were skipped, read from what test binaries print.

use std::{fmt, ops::AddAssign};

/// Counts of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// The last `test result: …` line. `None`: the binary died before it could print one.
    pub(crate) fn last_in(output: &str) -> Option<Self> {
        output.lines().rev().find_map(Self::of_line)
    }

    /// The sum of all `test result: …` lines, as rustdoc prints one per crate.
    pub(crate) fn sum_of(output: &str) -> Self {
        let mut sum = Self::default();
        output
            .lines()
            .filter_map(Self::of_line)
            .for_each(|tally| sum += tally);
        sum
    }

    pub(crate) fn count(self) -> usize {
        self.passed + self.failed + self.skipped
    }

    fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |what: &str| -> Option<usize> {
            let part = counts
                .split(';')
                .find_map(|part| part.trim().strip_suffix(what))?;
            part.trim().parse().ok()
        };
        Some(Self {
            passed: count(" passed")?,
            failed: count(" failed")?,
            skipped: count(" ignored")?,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.03s";
    const FAILED: &str =
        "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";

    #[test]
    fn the_last_result_counts_and_a_dead_binary_has_none() {
        let output = format!("test a ... ok\n{OK}\nfailures:\n{FAILED}\n");
        assert_eq!(
            Tally::last_in(&output),
            Some(Tally {
                passed: 1,
                failed: 2,
                skipped: 0
            })
        );
        assert_eq!(Tally::last_in("running 3 tests\ntest a ... ok\n"), None);
    }

    #[test]
    fn results_of_several_crates_add_up() {
        assert_eq!(
            Tally::sum_of(&format!("{OK}\n\n{FAILED}\n")).to_string(),
            "13 passed, 2 failed, 1 skipped"
        );
    }
}
