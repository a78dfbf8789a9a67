//! Values of ordered pairs of names.
//!
//! Invariant: the pairs stand sorted by the first name, then by the second; a pair is two names and never a text made
//! of them, so no two pairs are mistaken for each other.

use serde::{Serialize, Serializer, ser::SerializeSeq};

/// A value for each of some ordered pairs of names.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs<T> {
    /// Sorted.
    names: Vec<Box<str>>,
    /// Sorted by the places of the names.
    entries: Vec<((u32, u32), T)>,
}

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            entries: Vec::new(),
        }
    }
}

impl<T> Pairs<T> {
    /// The values of pairs of places in `names`. The names differ, and no pair occurs twice.
    pub(crate) fn new(
        names: &[Box<str>],
        entries: impl IntoIterator<Item = ((usize, usize), T)>,
    ) -> Self {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_unstable_by(|a, b| names[*a].cmp(&names[*b]));
        let mut places = vec![0; names.len()];
        for (place, name) in (0..).zip(&order) {
            places[*name] = place;
        }
        let entries = entries
            .into_iter()
            .map(|((from, to), value)| ((places[from], places[to]), value));
        let mut entries: Vec<((u32, u32), T)> = entries.collect();
        entries.sort_unstable_by_key(|it| it.0);
        Self {
            names: order.iter().map(|it| names[*it].clone()).collect(),
            entries,
        }
    }

    /// The value of a pair.
    pub fn get(&self, from: &str, to: &str) -> Option<&T> {
        let place = |name: &str| self.names.binary_search_by(|it| (**it).cmp(name)).ok();
        let pair = (place(from)? as u32, place(to)? as u32);
        let found = self.entries.binary_search_by_key(&pair, |it| it.0).ok()?;
        Some(&self.entries[found].1)
    }

    /// The pairs and their values, sorted by names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str, &T)> {
        let name = |place: u32| &*self.names[place as usize];
        self.entries
            .iter()
            .map(move |((from, to), value)| (name(*from), name(*to), value))
    }

    /// How many pairs have a value.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[derive(Serialize)]
struct Entry<'a, T> {
    from: &'a str,
    to: &'a str,
    value: &'a T,
}

impl<T: Serialize> Serialize for Pairs<T> {
    /// As a list of `{from, to, value}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for (from, to, value) in self.iter() {
            list.serialize_element(&Entry { from, to, value })?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers: M4, M15
    #[test]
    fn pairs_are_sorted_and_never_mistaken() {
        let names = ["c", "a->b", "a", "b->c"].map(Box::from);
        let pairs = Pairs::new(&names, [((1, 0), 1), ((2, 3), 2)]);
        assert_eq!(pairs.get("a->b", "c"), Some(&1));
        assert_eq!(pairs.get("a", "b->c"), Some(&2));
        assert_eq!(pairs.get("c", "a"), None);
        assert_eq!(pairs.get("x", "a"), None);
        let all: Vec<_> = pairs.iter().collect();
        assert_eq!(all, [("a", "b->c", &2), ("a->b", "c", &1)]);
        let text = serde_json::to_string(&pairs).unwrap();
        assert!(
            text.starts_with(r#"[{"from":"a","to":"b->c","value":2}"#),
            "{text}"
        );
    }
}
