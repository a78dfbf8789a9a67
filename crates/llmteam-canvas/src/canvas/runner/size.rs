//! How large a value is as JSON, without writing it.

use serde_json::Value;
use smallvec::SmallVec;

/// The largest result of a step.
pub(super) const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

/// Whether the compact JSON of a value is longer than `limit` bytes. Escapes count as one byte.
pub(super) fn exceeds(value: &Value, limit: usize) -> bool {
    let mut size = 0;
    let mut rest = SmallVec::<[&Value; 16]>::new();
    let mut next = Some(value);
    while let Some(value) = next {
        size += own_size(value);
        match value {
            Value::Array(items) => {
                for item in items {
                    add(item, &mut size, &mut rest);
                }
            }
            Value::Object(fields) => {
                for (key, value) in fields {
                    size += key.len() + 4;
                    add(value, &mut size, &mut rest);
                }
            }
            _ => {}
        }
        if size > limit {
            return true;
        }
        next = rest.pop();
    }
    false
}

/// Adds the size of a value, or keeps one for later that holds others.
fn add<'a>(value: &'a Value, size: &mut usize, rest: &mut SmallVec<[&'a Value; 16]>) {
    match value {
        Value::Array(_) | Value::Object(_) => rest.push(value),
        plain => *size += own_size(plain),
    }
}

/// The size of a value without what it holds.
fn own_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.len() + 2,
        Value::Object(_) => 2,
    }
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
