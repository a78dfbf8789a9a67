//! Instants as XES writes them: `2026-01-31T12:00:00.123+00:00`.

use llmteam_security::Timestamp;

const DAY: i64 = 86_400_000_000;

/// An instant as `xs:dateTime` in microseconds since the epoch, and whether it named its zone. Without one it is UTC;
/// digits after the microseconds are dropped.
pub(crate) fn parse(text: &str) -> Option<(i64, bool)> {
    let text = text.as_bytes();
    let number = |from: usize, digits: usize| {
        let digits = text.get(from..from + digits)?;
        digits.iter().try_fold(0_i64, |sum, it| {
            it.is_ascii_digit().then(|| sum * 10 + i64::from(it - b'0'))
        })
    };
    let is = |at: usize, byte: u8| text.get(at) == Some(&byte);
    if !(is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':')) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let fits = (1..=12).contains(&month) && day >= 1 && day <= days_of(year, month);
    if !fits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0;
    if is(19, b'.') {
        let digits = text[20..]
            .iter()
            .take_while(|it| it.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        at = 20 + digits;
        fraction = number(20, digits.min(6))? * 10_i64.pow(6 - digits.min(6) as u32);
    }
    let (offset, zoned) = match text.get(at) {
        None => (0, false),
        Some(b'Z') if text.len() == at + 1 => (0, true),
        Some(sign @ (b'+' | b'-')) if text.len() == at + 6 && is(at + 3, b':') => {
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            let offset = hours * 60 + minutes;
            (if *sign == b'+' { offset } else { -offset }, true)
        }
        Some(_) => return None,
    };
    let seconds = (hour * 60 + minute - offset) * 60 + second;
    let micros = days_from_epoch(year, month, day) * DAY + seconds * 1_000_000 + fraction;
    (Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros())
        .contains(&micros)
        .then_some((micros, zoned))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Writes instants; days that come again cost nothing.
#[derive(Debug)]
pub(crate) struct TimeWriter {
    day: i64,
    date: [u8; 10],
}

impl TimeWriter {
    pub(crate) fn new() -> Self {
        Self {
            day: 0,
            date: *b"1970-01-01",
        }
    }

    /// Appends an instant in UTC, with three decimals, or six where it needs them.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, micros: i64) {
        let (day, of_day) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        if day != self.day {
            self.day = day;
            self.date = date_of(day);
        }
        let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
        let mut text = *b"0000-00-00T00:00:00.000000+00:00";
        text[..10].copy_from_slice(&self.date);
        digits(&mut text[11..13], seconds / 3600);
        digits(&mut text[14..16], seconds / 60 % 60);
        digits(&mut text[17..19], seconds % 60);
        if fraction % 1000 == 0 {
            digits(&mut text[20..23], fraction / 1000);
            out.extend_from_slice(&text[..23]);
            out.extend_from_slice(b"+00:00");
        } else {
            digits(&mut text[20..26], fraction);
            out.extend_from_slice(&text);
        }
    }
}

fn digits(into: &mut [u8], mut number: i64) {
    for place in into.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn date_of(day: i64) -> [u8; 10] {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let mut date = *b"0000-00-00";
    digits(
        &mut date[..4],
        year_of_era + era * 400 + i64::from(month <= 2),
    );
    digits(&mut date[5..7], month);
    digits(
        &mut date[8..],
        day_of_year - (153 * shifted_month + 2) / 5 + 1,
    );
    date
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(micros: i64) -> String {
        let mut out = Vec::new();
        TimeWriter::new().write(&mut out, micros);
        String::from_utf8(out).unwrap()
    }

    // covers: M5
    #[test]
    fn a_missing_zone_is_utc() {
        let noon = Timestamp::parse("2024-02-29T12:00:00Z")
            .unwrap()
            .as_micros();
        for (text, zoned) in [
            ("2024-02-29T12:00:00Z", true),
            ("2024-02-29T12:00:00", false),
            ("2024-02-29T12:00:00.000", false),
            ("2024-02-29T14:00:00.0000009+02:00", true),
            ("2024-02-29T06:30:00.0000000000-05:30", true),
        ] {
            assert_eq!(parse(text), Some((noon, zoned)), "{text}");
        }
        for bad in [
            "",
            "noon",
            "2024-02-30T12:00:00Z",
            "2023-02-29T12:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00Zx",
            "1704067200",
            "2024-01-01",
            "20é24-01-01T00:00:00",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn three_decimals_unless_six_are_needed() {
        assert_eq!(written(0), "1970-01-01T00:00:00.000+00:00");
        assert_eq!(written(1), "1970-01-01T00:00:00.000001+00:00");
        assert_eq!(written(-1000), "1969-12-31T23:59:59.999+00:00");
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_the_clock_writes(micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros()) {
            let text = written(micros);
            prop_assert_eq!(parse(&text), Some((micros, true)));
            prop_assert_eq!(Timestamp::parse(&text).unwrap().as_micros(), micros);
        }
    }
}
