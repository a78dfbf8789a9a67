//! The words of texts, in a form in which equal words are equal.
//!
//! Invariant: letters of any script compare without case, `Straße` as `STRASSE`; a word is a run of letters, digits and
//! the marks on them. What is between words does not matter.
//! This module does not know what is looked for.

use serde_json::Value;

/// The words of `text`.
pub(super) fn words_of(text: &str) -> Vec<String> {
    let is_part = |it: char| it.is_alphanumeric() || is_mark(it);
    text.split(|it| !is_part(it))
        .filter(|word| !word.is_empty())
        .map(folded)
        .collect()
}

/// The words of every text within `value`, text by text. Names of fields are no texts.
pub(super) fn texts_of(value: &Value) -> Vec<Vec<String>> {
    let mut texts = Vec::new();
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::String(text) => texts.push(words_of(text)),
            Value::Array(entries) => waiting.extend(entries),
            Value::Object(fields) => waiting.extend(fields.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    texts
}

/// How often `phrase` stands in `texts`, never across two of them. An empty phrase stands nowhere.
pub(super) fn occurrences(texts: &[Vec<String>], phrase: &[String]) -> usize {
    if phrase.is_empty() {
        return 0;
    }
    let here = |text: &Vec<String>| {
        text.windows(phrase.len())
            .filter(|it| *it == phrase)
            .count()
    };
    texts.iter().map(here).sum()
}

/// Upper case first, which unites what lower case keeps apart (`ß` and `ss`, `ς` and `σ`), then each letter by itself.
fn folded(word: &str) -> String {
    let upper = word.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

/// The combining marks of the scripts that the standard library calls neither letters nor digits.
fn is_mark(it: char) -> bool {
    matches!(it, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_folds_in_every_script() {
        let same = [
            ("Straße", "STRASSE"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("Ёлка", "ёлка"),
            ("ﬁn", "FIN"),
        ];
        for (a, b) in same {
            assert_eq!(words_of(a), words_of(b), "{a}");
        }
        assert_ne!(words_of("resume"), words_of("résumé"));
        assert_eq!(words_of("it's 5-fold_x"), ["it", "s", "5", "fold", "x"]);
    }

    proptest! {
        #[test]
        fn a_word_is_found_whatever_its_case_and_surroundings(word in "[a-zA-Zéßσ]{1,8}", before in "[ .,!_-]{0,3}") {
            let text = vec![words_of(&format!("x {before}{} {before}y", word.to_uppercase()))];
            prop_assert!(occurrences(&text, &words_of(&word)) >= 1);
            let inside = vec![words_of(&format!("q{word}q"))];
            prop_assert_eq!(occurrences(&inside, &words_of(&word)), 0);
        }
    }
}
