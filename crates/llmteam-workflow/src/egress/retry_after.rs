//! How long a service asks to wait.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use llmteam_security::clock::Timestamp;

/// Reads a `Retry-After` header (RFC 9110, 10.2.3): seconds, or a date in relation to `now`.
///
/// Fractions of seconds, which some services send, are kept; a date in the past is no wait at all.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates() {
        let now = Timestamp::parse("2015-10-21T07:27:30Z").unwrap();
        let read = |value| retry_after(value, now);
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(read("1.5"), Some(Duration::from_millis(1500)));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(read(date), Some(Duration::from_secs(30)));
        let past = "Wed, 21 Oct 2015 07:00:00 GMT";
        assert_eq!(read(past), Some(Duration::ZERO));
        for bad in ["", "-5", "NaN", "inf", "1e40", "soon", "2015-10-21"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
