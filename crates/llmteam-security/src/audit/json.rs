//! Canonical JSON (RFC 8785), written straight into a buffer, and the values that survive it.
//!
//! Invariant: for a value that [`normalise`] has passed, reading what was written gives the same value.
//! It does not know records.

use serde_json::{Map, Number, Value};

/// The largest integer every JSON reader gives back exactly.
const SAFE: u64 = (1 << 53) - 1;
/// From here on RFC 8785 writes an exponent, which reads back as a fraction.
const EXPONENT: f64 = 1e21;
/// Deeper values are replaced by a text that says so.
const DEEPEST: usize = 32;

/// Writes `text` quoted.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    // Nearly every text needs no escape; without an early end the search is done many bytes at a time.
    let special = |b: u8| (b < 0x20) | (b == b'"') | (b == b'\\');
    if !bytes.iter().fold(false, |found, b| found | special(*b)) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            0x20.. => continue,
            0x08 => b"\\b",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            0x0c => b"\\f",
            b'\r' => b"\\r",
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(&bytes[from..at]);
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
                from = at + 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escaped);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Writes a whole number.
pub(super) fn integer(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes a map, its keys in the order of their UTF-16 code units.
pub(super) fn object(out: &mut Vec<u8>, map: &Map<String, Value>) {
    out.push(b'{');
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_by(|(a, _), (b, _)| by_code_units(a, b));
    for (n, (key, value)) in entries.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        string(out, key);
        out.push(b':');
        self::value(out, value);
    }
    out.push(b'}');
}

fn by_code_units(a: &str, b: &str) -> std::cmp::Ordering {
    if a.is_ascii() && b.is_ascii() {
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => self::number(out, number),
        Value::String(text) => string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                self::value(out, item);
            }
            out.push(b']');
        }
        Value::Object(map) => object(out, map),
    }
}

fn number(out: &mut Vec<u8>, number: &Number) {
    if let Some(whole) = number.as_u64() {
        integer(out, whole);
    } else if let Some(whole) = number.as_i64() {
        out.push(b'-');
        integer(out, whole.unsigned_abs());
    } else {
        // A JSON number is finite, so writing it cannot fail; nothing is written if it does.
        let _ = serde_json_canonicalizer::to_writer(number, out);
    }
}

/// No less than the length of what [`object`] writes, without writing it.
pub(super) fn bound(map: &Map<String, Value>) -> usize {
    let entries = map.iter();
    entries.fold(2, |sum, (key, value)| {
        sum + 6 * key.len() + 4 + bound_of(value)
    })
}

fn bound_of(value: &Value) -> usize {
    match value {
        // The longest number has a sign, 17 digits, a point and an exponent.
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
        Value::String(text) => 6 * text.len() + 2,
        Value::Array(items) => items.iter().fold(2, |sum, item| sum + 1 + bound_of(item)),
        Value::Object(map) => bound(map),
    }
}

/// Makes a map one that reads back as it was written: `1.0` becomes `1`, a whole number that some readers would round
/// becomes the text of its digits, and what is nested too deep becomes a text.
pub(super) fn normalise(map: &mut Map<String, Value>) {
    map.values_mut().for_each(|value| settle(value, 1));
}

fn settle(value: &mut Value, depth: usize) {
    match value {
        Value::Array(_) | Value::Object(_) if depth > DEEPEST => {
            *value = Value::String(format!("[nested deeper than {DEEPEST}]"));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| settle(item, depth + 1)),
        Value::Object(map) => map.values_mut().for_each(|item| settle(item, depth + 1)),
        Value::Number(number) => {
            if let Some(settled) = settled(number) {
                *value = settled;
            }
        }
        _ => {}
    }
}

/// What takes a number's place; `None` where it stays.
fn settled(number: &Number) -> Option<Value> {
    if let Some(whole) = number
        .as_u64()
        .or_else(|| number.as_i64().map(i64::unsigned_abs))
    {
        return (whole > SAFE).then(|| Value::String(number.to_string()));
    }
    let float = number.as_f64().filter(|it| it.fract() == 0.0)?;
    if float.abs() <= SAFE as f64 {
        Some(Value::from(float as i64))
    } else if float.abs() < EXPONENT {
        Some(Value::String(format!("{float:.0}")))
    } else {
        None
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(map: &Map<String, Value>) -> Vec<u8> {
        let mut out = Vec::new();
        object(&mut out, map);
        out
    }

    pub(in crate::audit) fn any_map() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        let nested = leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((".{0,4}", inner), 0..4)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        });
        proptest::collection::vec((".{0,4}", nested), 0..5).prop_map(|it| it.into_iter().collect())
    }

    proptest! {
        // covers: AUD-15
        #[test]
        fn what_is_normalised_reads_back_and_is_canonical(mut map in any_map()) {
            normalise(&mut map);
            let bytes = written(&map);
            prop_assert_eq!(&bytes, &serde_json_canonicalizer::to_vec(&map).unwrap());
            prop_assert!(bytes.len() <= bound(&map));
            prop_assert_eq!(serde_json::from_slice::<Map<String, Value>>(&bytes).unwrap(), map.clone());
            let mut again = map.clone();
            normalise(&mut again);
            prop_assert_eq!(again, map);
        }
    }

    #[test]
    fn numbers_that_readers_would_round_become_text() {
        let mut map = json!({"a": 9_007_199_254_740_993_u64, "b": 1.0, "c": -0.0, "d": 1e20, "e": 1e300, "f": 0.5,
                             "g": 9_007_199_254_740_991_u64});
        let map = map.as_object_mut().unwrap();
        normalise(map);
        let expected = json!({"a": "9007199254740993", "b": 1, "c": 0, "d": "100000000000000000000", "e": 1e300,
                              "f": 0.5, "g": 9_007_199_254_740_991_u64});
        assert_eq!(Value::Object(map.clone()), expected);
    }

    #[test]
    fn depth_ends_in_a_text() {
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        let mut map = Map::from_iter([("deep".to_owned(), deep)]);
        normalise(&mut map);
        assert!(
            String::from_utf8(written(&map))
                .unwrap()
                .contains("[nested deeper than 32]")
        );
    }
}
