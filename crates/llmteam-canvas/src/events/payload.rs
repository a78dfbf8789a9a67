//! How much an event may carry.
//!
//! Invariant: no payload is larger than 64 KiB as JSON; a larger one is replaced by its size.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

/// The largest payload, in bytes of compact JSON.
pub const MAX_PAYLOAD_BYTES: u64 = 64 * 1024;

/// The payload itself, or its size when it is too large.
pub(super) fn bounded(payload: Map<String, Value>) -> Map<String, Value> {
    let size = json_size(&payload);
    if size <= MAX_PAYLOAD_BYTES {
        payload
    } else {
        truncated(size)
    }
}

/// A payload of these fields. Values that would not fit are never copied.
pub(super) fn payload<const N: usize>(fields: [(&str, &Value); N]) -> Map<String, Value> {
    let size = json_size(&BTreeMap::from(fields));
    if size > MAX_PAYLOAD_BYTES {
        return truncated(size);
    }
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

fn truncated(size: u64) -> Map<String, Value> {
    Map::from_iter([
        ("truncated".to_owned(), Value::Bool(true)),
        ("size_bytes".to_owned(), size.into()),
    ])
}

/// How many bytes a value is as compact JSON. Nothing is built.
fn json_size(value: &impl Serialize) -> u64 {
    let mut counter = Counter(0);
    // Neither a counter nor a JSON value can fail to be written.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_size(bytes: usize) -> Map<String, Value> {
        // {"a":"…"} has eight bytes besides the text.
        Map::from_iter([("a".to_owned(), Value::String("x".repeat(bytes - 8)))])
    }

    //
    #[test]
    fn the_limit_is_exact() {
        let limit = usize::try_from(MAX_PAYLOAD_BYTES).unwrap();
        assert_eq!(bounded(of_size(limit)), of_size(limit));
        let over = bounded(of_size(limit + 1));
        assert_eq!(
            Value::Object(over),
            json!({ "truncated": true, "size_bytes": limit + 1 })
        );
    }

    //
    #[test]
    fn a_value_that_does_not_fit_is_not_copied() {
        let large = Value::String("x".repeat(1 << 20));
        let kept = payload([("output", &large), ("activation", &json!(1))]);
        assert_eq!(kept["truncated"], json!(true));
        assert!(payload([("output", &json!({ "a": 1 }))]).contains_key("output"));
    }
}
