//! How large a value is as JSON, without writing it.

use serde_json::Value;
use smallvec::{SmallVec, smallvec};

/// The largest result of a step.
pub(super) const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

/// Whether the compact JSON of a value is longer than `limit` bytes. Escapes count as one byte.
pub(super) fn exceeds(value: &Value, limit: usize) -> bool {
    let mut left = limit;
    let mut rest: SmallVec<[&Value; 16]> = smallvec![value];
    while let Some(value) = rest.pop() {
        let own = match value {
            Value::Null | Value::Bool(_) => 4,
            Value::Number(_) => 8,
            Value::String(text) => text.len() + 2,
            Value::Array(items) => {
                rest.extend(items);
                items.len() + 2
            }
            Value::Object(fields) => {
                rest.extend(fields.values());
                fields.keys().map(|key| key.len() + 4).sum::<usize>() + 2
            }
        };
        match left.checked_sub(own) {
            Some(still) => left = still,
            None => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    //
    #[test]
    fn a_long_text_deep_inside_counts() {
        let value = json!({"a": [{"b": "x".repeat(1_000)}]});
        assert!(exceeds(&value, 1_000));
        assert!(!exceeds(&value, 1_100));
    }
}
