//! The keys that XES and this writer know, and how other keys become names.

use std::borrow::Cow;

use super::super::{error::is_xml_char, xml::is_name};

pub(crate) const NAME: &str = "concept:name";
pub(crate) const INSTANCE: &str = "concept:instance";
pub(crate) const RESOURCE: &str = "org:resource";
pub(crate) const TIME: &str = "time:timestamp";
/// Where a completion says itself when the work began.
pub(crate) const START: &str = "start_timestamp";
pub(crate) const TRANSITION: &str = "lifecycle:transition";
pub(crate) const OUTCOME: &str = "llmteam:outcome";
pub(crate) const ATTEMPT: &str = "llmteam:attempt";
/// The spans in which an instance waited, as pairs of nested dates.
pub(crate) const WAITS: &str = "llmteam:waits";
/// The attribute that marks a decision.
pub(crate) const DECISION: &str = "decision";

/// What the names begin with that the writer makes for instances without one; they are not kept.
pub(crate) const MADE: &str = "llmteam-made.";

/// A key as a name of XML: a character that cannot stand there becomes `_xHHHH_`, as does the `_` of what could be
/// mistaken for that.
pub(crate) fn encode(key: &str) -> Cow<'_, str> {
    if is_name(key) && !key.contains("_x") {
        return Cow::Borrowed(key);
    }
    let mut encoded = String::with_capacity(key.len() + 8);
    for (place, character) in key.char_indices() {
        let alone = character.to_string();
        let fits = if place == 0 {
            is_name(&alone)
        } else {
            is_name(&format!("_{alone}"))
        };
        if fits && !(character == '_' && escaped(&key[place..]).is_some()) {
            encoded.push(character);
        } else {
            encoded.push_str(&format!("_x{:04X}_", u32::from(character)));
        }
    }
    Cow::Owned(encoded)
}

/// The key that [`encode`] made a name of.
pub(crate) fn decode(name: &str) -> Cow<'_, str> {
    if !name.contains("_x") {
        return Cow::Borrowed(name);
    }
    let mut decoded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(place) = rest.find("_x") {
        decoded.push_str(&rest[..place]);
        let (character, length) = escaped(&rest[place..]).unwrap_or(('_', 1));
        decoded.push(character);
        rest = &rest[place + length..];
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The character that `_xHHHH_` at the beginning stands for, and the length of that.
fn escaped(text: &str) -> Option<(char, usize)> {
    let digits = text.strip_prefix("_x")?.split_once('_')?.0;
    let fits = (4..=6).contains(&digits.len())
        && digits
            .bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'A'..=b'F'));
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| fits)?;
    let character = char::from_u32(number).filter(|it| is_xml_char(*it))?;
    Some((character, digits.len() + 3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // covers: M13
    #[test]
    fn keys_that_are_no_names_become_names() {
        for (key, name) in [
            ("cost:total", "cost:total"),
            ("a b", "a_x0020_b"),
            ("1st", "_x0031_st"),
            ("_x0020_", "_x005F_x0020_"),
            ("_xyz", "_xyz"),
            ("😀\"", "😀_x0022_"),
        ] {
            assert_eq!((&*encode(key), &*decode(name)), (name, key));
        }
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in "[_x0-9AF a\n😀&]{1,24}") {
            prop_assert!(is_name(&encode(&key)));
            let name = encode(&key);
            prop_assert_eq!(&*decode(&name), &*key);
        }
    }
}
