//! Texts that are kept once and stand for a number.
//!
//! Invariant: numbers count up from 0 in the order in which texts came; no text has two.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Distinct texts by number.
#[derive(Clone, Default)]
pub(crate) struct Names {
    texts: Vec<Box<str>>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Names {
    /// The number of a text that is there.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.numbers
            .find(hash, |it| *self.texts[*it as usize] == *text)
            .copied()
    }

    /// The number of a text, which is added when it is new; `None` when 2³² - 1 are there.
    pub(crate) fn number(&mut self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        let texts = &self.texts;
        if let Some(found) = self.numbers.find(hash, |it| *texts[*it as usize] == *text) {
            return Some(*found);
        }
        let number = u32::try_from(self.texts.len())
            .ok()
            .filter(|it| *it != u32::MAX)?;
        self.texts.push(text.into());
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.numbers
            .insert_unique(hash, number, |it| hasher.hash_one(&*texts[*it as usize]));
        Some(number)
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn into_texts(self) -> Vec<Box<str>> {
        self.texts
    }

    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.numbers.clear();
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.texts.fmt(f)
    }
}
