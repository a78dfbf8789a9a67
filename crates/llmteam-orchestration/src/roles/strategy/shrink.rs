//! JSON made small enough to show: long texts cut, long lists shortened, deep ones closed, secrets covered.
//!
//! Invariant: what comes out has at most so many characters of text and so many values as it was allowed, keeps the order
//! of its input, and shows nothing of a covered field but its name.
//! This module does not know who reads the result.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::text::cut;

/// What stands for the value of a covered field.
pub(super) const SEALED: &str = "[sealed]";
/// What stands for what was left out.
const MORE: &str = "…";

/// How much may be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Characters of one text.
    pub(super) text: usize,
    /// Entries of one list or object.
    pub(super) entries: usize,
    /// Lists and objects within one another.
    pub(super) depth: usize,
    /// Characters of all texts and names together; a value that is no text counts as [`PLAIN`].
    pub(super) total: usize,
}

/// What a number, a truth value, or an opening bracket counts.
const PLAIN: usize = 8;

/// `value` within `bounds`, the values of the fields named in `covered` hidden wherever they stand.
pub(super) fn shrunk(value: &Value, bounds: Bounds, covered: &BTreeSet<String>) -> Value {
    let left = bounds.total;
    Shrinker {
        bounds,
        covered,
        left,
    }
    .value(value, bounds.depth)
}

struct Shrinker<'a> {
    bounds: Bounds,
    covered: &'a BTreeSet<String>,
    left: usize,
}

impl Shrinker<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Value {
        if self.left == 0 {
            return MORE.into();
        }
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(_) | Value::Object(_) if depth == 0 => MORE.into(),
            Value::Array(entries) => self.list(entries, depth),
            Value::Object(fields) => self.object(fields, depth),
            plain => {
                self.spend(PLAIN);
                plain.clone()
            }
        }
    }

    fn text(&mut self, text: &str) -> String {
        let text = cut(text, self.bounds.text.min(self.left));
        self.spend(text.chars().count());
        text
    }

    fn list(&mut self, entries: &[Value], depth: usize) -> Value {
        self.spend(PLAIN);
        let mut shown = Vec::new();
        for (n, entry) in entries.iter().enumerate() {
            if n == self.bounds.entries || self.left == 0 {
                shown.push(format!("{MORE} {} more", entries.len() - n).into());
                break;
            }
            shown.push(self.value(entry, depth - 1));
        }
        shown.into()
    }

    fn object(&mut self, fields: &Map<String, Value>, depth: usize) -> Value {
        self.spend(PLAIN);
        let mut shown = Map::new();
        for (n, (name, value)) in fields.iter().enumerate() {
            if n == self.bounds.entries || self.left == 0 {
                shown.insert(MORE.to_owned(), format!("{} more", fields.len() - n).into());
                break;
            }
            let value = if self.covered.contains(name) {
                self.spend(SEALED.len());
                SEALED.into()
            } else {
                self.value(value, depth - 1)
            };
            shown.insert(self.text(name), value);
        }
        shown.into()
    }

    fn spend(&mut self, characters: usize) {
        self.left = self.left.saturating_sub(characters);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        text: 5,
        entries: 3,
        depth: 3,
        total: 200,
    };

    fn check(value: &Value, expected: &Value) {
        let covered = BTreeSet::from(["secret".to_owned()]);
        assert_eq!(&shrunk(value, BOUNDS, &covered), expected);
    }

    #[test]
    fn what_is_too_much_leaves_a_mark() {
        check(&json!("abcdef"), &json!("abcde…"));
        check(&json!([1, 2, 3, 4, 5]), &json!([1, 2, 3, "… 2 more"]));
        check(&json!([[[[1]]]]), &json!([[["…"]]]));
        check(
            &json!({"a": 1, "b": 2, "c": 3, "d": 4}),
            &json!({"a": 1, "b": 2, "c": 3, "…": "1 more"}),
        );
    }

    #[test]
    fn a_covered_field_is_hidden_at_any_depth() {
        check(
            &json!({"a": [{"secret": {"b": 1}}]}),
            &json!({"a": [{"secre…": "[sealed]"}]}),
        );
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from)
        ];
        leaf.prop_recursive(6, 200, 12, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
                proptest::collection::btree_map("\\PC{0,12}", inner, 0..12)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_result_is_bounded(value in json(), total in 0_usize..300) {
            let bounds = Bounds { total, ..BOUNDS };
            let shown = shrunk(&value, bounds, &BTreeSet::new());
            // Marks and the last value may exceed the count by themselves, never by what they stand for.
            prop_assert!(shown.to_string().chars().count() <= 12 * total + 60);
        }
    }
}
