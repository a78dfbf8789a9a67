//! Checks records that the reference implementation wrote, so that they can be imported knowingly.
//!
//! Invariant: it only verifies. That checksum leaves out eleven fields, so a record that passes is known to be unchanged
//! in thirteen fields and no more. It does not know LTA1.

use std::{collections::BTreeMap, fmt::Write};

use serde::Deserialize;
use serde_json::Value;

use super::hash::{Digest, digest};

/// The fields of a reference record that its checksum covers, as its `to_dict` wrote them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LegacyRecord {
    /// Any text.
    pub record_id: String,
    /// From 1.
    pub sequence_number: u64,
    /// As it was written; the text itself is hashed.
    pub timestamp: String,
    /// The wire string.
    pub event_type: String,
    /// The wire string.
    #[serde(default = "info")]
    pub severity: String,
    /// Or empty.
    #[serde(default)]
    pub tenant_id: String,
    /// Or empty.
    #[serde(default)]
    pub actor_type: String,
    /// Or empty.
    #[serde(default)]
    pub actor_id: String,
    /// Or empty.
    #[serde(default)]
    pub action: String,
    /// Or empty.
    #[serde(default)]
    pub resource_type: String,
    /// Or empty.
    #[serde(default)]
    pub resource_id: String,
    /// Whether it succeeded.
    #[serde(default = "yes")]
    pub success: bool,
    /// 64 hex digits.
    #[serde(default)]
    pub checksum: String,
    /// Or empty for the first record.
    #[serde(default)]
    pub previous_checksum: String,
}

fn info() -> String {
    "info".to_owned()
}

fn yes() -> bool {
    true
}

/// The checksum the reference gives such a record: SHA-256 over JSON with sorted keys, `", "` and `": "` between, and
/// everything beyond ASCII as `\uXXXX`.
pub fn checksum(record: &LegacyRecord) -> Digest {
    let fields: BTreeMap<&str, Value> = BTreeMap::from([
        ("record_id", record.record_id.as_str().into()),
        ("sequence_number", record.sequence_number.into()),
        ("timestamp", utc(&record.timestamp).into()),
        ("event_type", record.event_type.as_str().into()),
        ("severity", record.severity.as_str().into()),
        ("tenant_id", record.tenant_id.as_str().into()),
        ("actor_type", record.actor_type.as_str().into()),
        ("actor_id", record.actor_id.as_str().into()),
        ("action", record.action.as_str().into()),
        ("resource_type", record.resource_type.as_str().into()),
        ("resource_id", record.resource_id.as_str().into()),
        ("success", record.success.into()),
        (
            "previous_checksum",
            record.previous_checksum.as_str().into(),
        ),
    ]);
    let pairs = fields
        .iter()
        .map(|(key, value)| format!("\"{key}\": {}", ascii(value)));
    let text = format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "));
    digest(&[text.as_bytes()])
}

/// Whether the record has the checksum its thirteen fields call for. A missing checksum is none.
pub fn verify(record: &LegacyRecord) -> bool {
    Digest::from_hex(&record.checksum) == Some(checksum(record))
}

/// `Z` is how other writers spell the offset that the reference wrote as `+00:00`.
fn utc(timestamp: &str) -> String {
    match timestamp.strip_suffix('Z') {
        Some(local) => format!("{local}+00:00"),
        None => timestamp.to_owned(),
    }
}

fn ascii(value: &Value) -> String {
    let mut out = String::new();
    for unit in value.to_string().encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte < 0x7f => out.push(byte.into()),
            Ok(0x7f) => out.push('\u{7f}'),
            _ => {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // covers: AUD-27
    #[test]
    fn the_references_vector() {
        let mut record: LegacyRecord = serde_json::from_value(json!({
            "record_id": "rec_1", "sequence_number": 1, "timestamp": "2024-01-01T12:00:00+00:00",
            "event_type": "pipeline.started", "tenant_id": "test", "metadata": {"not": "covered"}
        }))
        .unwrap();
        let expected = "0c7ec45a75918eb61f6416bbb5a88ea469a94a6f7115962bbaee68c7c14d6a31";
        assert_eq!(checksum(&record).to_string(), expected);
        assert!(!verify(&record), "a missing checksum is no checksum");
        record.checksum = expected.to_owned();
        assert!(verify(&record));
        record.action = "é😀\n\"".to_owned();
        assert!(!verify(&record));
        assert_eq!(
            ascii(&Value::from("é😀\n\"")),
            "\"\\u00e9\\ud83d\\ude00\\n\\\"\""
        );
    }
}
