//! The answers of a scripted stand-in, and which of them a call gets.
//!
//! Invariant: the choice depends on the activation and attempt of the caller alone, never on how many
//! calls a process has made, so that a run recovered after a crash gets the answers it would have got.
//! This module does not know what an answer is.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::call::Caller;

/// The answers to one kind of call: one entry per activation, the last one for all that follow.
///
/// In JSON a list, or one answer alone. An entry that is itself a list holds one answer per attempt of
/// that activation, its last one again for all that follow: `["first", ["fails", "then works"]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Replies<T>(Vec<Vec<T>>);

impl<T> Replies<T> {
    /// The answer for `activation` and `attempt`, both from 1.
    pub fn pick(&self, activation: u32, attempt: u32) -> &T {
        let attempts = nth(&self.0, activation);
        nth(attempts, attempt)
    }

    /// The answer for a caller; without one, that of the first attempt of activation `turn`.
    pub fn pick_for(&self, caller: Option<&Caller>, turn: u32) -> &T {
        match caller {
            Some(caller) => self.pick(caller.activation, caller.attempt),
            None => self.pick(turn, 1),
        }
    }
}

/// The `n`-th entry from 1, or the last. Invariant of [`Replies`]: no list is empty.
fn nth<T>(list: &[T], n: u32) -> &T {
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    &list[n.saturating_sub(1).min(list.len() - 1)]
}

impl<'de, T: de::DeserializeOwned> Deserialize<'de> for Replies<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let activations = match Value::deserialize(deserializer)? {
            Value::Array(entries) => entries,
            answer => vec![answer],
        };
        let replies = activations
            .into_iter()
            .map(|entry| match entry {
                Value::Array(attempts) => attempts.into_iter().map(answer).collect(),
                one => Ok(vec![answer(one)?]),
            })
            .collect::<Result<Vec<Vec<T>>, D::Error>>()?;
        if replies.is_empty() || replies.iter().any(Vec::is_empty) {
            return Err(de::Error::custom("a list of replies is empty"));
        }
        Ok(Self(replies))
    }
}

fn answer<T: de::DeserializeOwned, E: de::Error>(value: Value) -> Result<T, E> {
    serde_json::from_value(value).map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(json: &str) -> Replies<String> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_last_entry_repeats_in_both_directions() {
        let replies = replies(r#"["a", ["b1", "b2"], "c"]"#);
        let picked = |activation, attempt| replies.pick(activation, attempt).as_str();
        assert_eq!(picked(1, 1), "a");
        assert_eq!(picked(1, 9), "a");
        assert_eq!(picked(2, 1), "b1");
        assert_eq!(picked(2, 2), "b2");
        assert_eq!(picked(2, 3), "b2");
        assert_eq!(picked(3, 1), "c");
        assert_eq!(picked(u32::MAX, u32::MAX), "c");
        assert_eq!(picked(0, 0), "a");
    }

    #[test]
    fn one_answer_needs_no_list() {
        assert_eq!(replies(r#""always""#).pick(4, 2), "always");
    }

    #[test]
    fn an_empty_list_is_refused_at_load() {
        for bad in ["[]", "[[]]", r#"["a", []]"#] {
            assert!(
                serde_json::from_str::<Replies<String>>(bad).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_caller_wins_over_the_turn() {
        let replies = replies(r#"["a", "b"]"#);
        let caller = Caller::new("writer".parse().unwrap()).at(2, 1);
        assert_eq!(replies.pick_for(Some(&caller), 1), "b");
        assert_eq!(replies.pick_for(None, 1), "a");
    }
}
