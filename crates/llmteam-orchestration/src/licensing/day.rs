//! A day of the calendar, in UTC.
//!
//! Invariant: it has one text, `YYYY-MM-DD`, and ends where the next one begins. This file does not know what
//! begins or ends on it.

use std::{fmt, str::FromStr, time::Duration};

use llmteam_security::Timestamp;
use serde::{Serialize, Serializer};

/// A day in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Timestamp);

/// A text that is no day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day, `YYYY-MM-DD`")]
pub struct InvalidDay(String);

const LENGTH: Duration = Duration::from_secs(86_400);

impl Day {
    /// The day of an instant.
    pub fn of(at: Timestamp) -> Self {
        let length = i64::try_from(LENGTH.as_micros()).unwrap_or(i64::MAX);
        let into = at.as_micros().rem_euclid(length);
        Self(Timestamp::from_micros(at.as_micros() - into))
    }

    /// Its first instant.
    pub fn start(self) -> Timestamp {
        self.0
    }

    /// The first instant after it.
    pub fn end(self) -> Timestamp {
        self.0.saturating_add(LENGTH)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let day = Timestamp::parse(&format!("{text}T00:00:00Z")).map(Self);
        day.ok()
            .filter(|day| day.to_string() == text)
            .ok_or_else(|| {
                InvalidDay(
                    text.chars()
                        .take(64)
                        .flat_map(char::escape_default)
                        .collect(),
                )
            })
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_has_one_text_and_ends_where_the_next_begins() {
        let day: Day = "2024-02-29".parse().unwrap();
        assert_eq!(day.start().to_string(), "2024-02-29T00:00:00.000000Z");
        assert_eq!(day.end().to_string(), "2024-03-01T00:00:00.000000Z");
        for bad in [
            "",
            "209911",
            "2024-2-29",
            "2024-02-30",
            "2024-02-29 ",
            "+2024-02-29",
            "20240229",
            "2024-02-29T00:00:00Z",
        ] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_within_its_day(micros in -62_000_000_000_000_000_i64..253_000_000_000_000_000) {
            let at = Timestamp::from_micros(micros);
            let day = Day::of(at);
            prop_assert!(day.start() <= at && at < day.end());
            prop_assert_eq!(day.to_string().parse::<Day>().unwrap(), day);
        }
    }
}
