//! Which headers a caller may set.
//!
//! Invariant: what frames or routes a message is made by the client alone, so that no value from a
//! segment can split a message, name another host or smuggle a second request.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::EgressError;

/// Refused names; `proxy-` and `sec-` are refused as prefixes.
const REFUSED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers from names and values, of one name the last; refused if a name may not be set or a value is
/// not printable ASCII. Values show in no debug text.
pub fn header_map<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<HeaderMap, EgressError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(header_name(name)?, header_value(name, value)?);
    }
    Ok(map)
}

fn header_name(name: &str) -> Result<HeaderName, EgressError> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| refused(name, "is not a header name"))?;
    let text = parsed.as_str();
    if REFUSED.contains(&text) || text.starts_with("proxy-") || text.starts_with("sec-") {
        return Err(refused(name, "may not be set"));
    }
    Ok(parsed)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, EgressError> {
    let ascii = HeaderValue::from_str(value)
        .ok()
        .filter(|_| value.is_ascii());
    let mut value =
        ascii.ok_or_else(|| refused(name, "has a value that is not printable ASCII"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn refused(name: &str, why: &str) -> EgressError {
    let name: String = name
        .chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect();
    EgressError::InvalidRequest {
        reason: format!("header `{name}` {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What attackers put into headers.
    #[test]
    fn framing_routing_and_control_characters_are_refused() {
        for (name, value) in [
            ("Host", "evil"),
            ("TRANSFER-ENCODING", "chunked"),
            ("Content-Length", "5"),
            ("connection", "upgrade"),
            ("Upgrade", "websocket"),
            ("Proxy-Authorization", "x"),
            ("X-Ok\r\nX-Evil", "x"),
            ("X Space", "x"),
            ("", "x"),
            ("X-Naïve", "x"),
            ("X-Ok", "a\r\nX-Evil: b"),
            ("X-Ok", "a\nb"),
            ("X-Ok", "a\0b"),
            ("X-Ok", "a\u{7f}b"),
            ("X-Ok", "caf\u{e9}"),
        ] {
            let error = header_map([(name, value)]).unwrap_err();
            assert_eq!(
                error.code(),
                "EGRESS_INVALID_REQUEST",
                "{name:?}: {value:?}"
            );
            assert!(!error.to_string().contains(['\r', '\n']), "{error}");
        }
        let map = header_map([("X-Ok", "a"), ("x-ok", "b"), ("Authorization", "zzz")]).unwrap();
        assert_eq!(map["x-ok"], "b");
        assert!(!format!("{map:?}").contains("zzz"), "{map:?}");
    }

    #[test]
    fn a_refusal_does_not_repeat_the_value() {
        let error = header_map([("Authorization", "Bearer s3cret\n")]).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
