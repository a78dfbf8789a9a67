//! What a log cannot hold.
//!
//! Invariant: every refusal names what was refused. This file does not know formats of files.

use std::sync::Arc;

/// Why an event, a log or a question about one is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MiningError {
    /// More distinct activities than a number of 16 bits tells apart.
    #[error("a log may name at most 65536 distinct activities")]
    TooManyActivities,
    /// More events, cases, names or attributes than a number of 32 bits tells apart.
    #[error("a log may hold at most 4294967295 {of}")]
    TooMany {
        /// Of what.
        of: &'static str,
    },
    /// A text with a character that no XML document can hold, such as a control character.
    #[error("`{text}` holds U+{character:04X}, which a log cannot hold")]
    ForbiddenCharacter {
        /// The beginning of the text, escaped.
        text: String,
        /// The character.
        character: u32,
    },
    /// An attribute without a name.
    #[error("an attribute needs a key")]
    EmptyKey,
    /// An attribute under a name that a field of the event has already.
    #[error("attribute `{key}` is a field of the event and cannot be given beside it")]
    ReservedKey {
        /// The name.
        key: String,
    },
    /// An attribute of 256 MiB or more.
    #[error("attribute `{key}` has {length} bytes, more than a log holds")]
    TooLong {
        /// The name.
        key: String,
        /// Its length in bytes.
        length: usize,
    },
    /// Attributes within attributes, more than 255 deep.
    #[error("attribute `{key}` is nested too deeply")]
    TooDeep {
        /// The name.
        key: String,
    },
    /// An instance that is over before it begins.
    #[error("activity `{activity}` completes before it starts")]
    EndsBeforeStart {
        /// The activity.
        activity: String,
    },
    /// A cost that is no number.
    #[error("cost of event `{event_id}` is not a finite number")]
    InvalidCost {
        /// The event.
        event_id: String,
    },
    /// An event that is recorded already.
    #[error("event `{event_id}` is already recorded")]
    DuplicateEvent {
        /// Its id.
        event_id: Arc<str>,
    },
    /// A weight outside 0 to 1.
    #[error("beta is `{beta}`: it lies between 0 and 1")]
    InvalidBeta {
        /// The weight.
        beta: String,
    },
}

/// Refuses a text that no XML document could hold.
pub(crate) fn check_text(text: &str) -> Result<(), MiningError> {
    let suspect =
        |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xEF;
    if !text.bytes().any(suspect) {
        return Ok(());
    }
    match text.chars().find(|it| !is_xml_char(*it)) {
        None => Ok(()),
        Some(found) => Err(MiningError::ForbiddenCharacter {
            text: text
                .chars()
                .take(40)
                .flat_map(char::escape_default)
                .collect(),
            character: u32::from(found),
        }),
    }
}

/// Whether XML 1.0 can hold the character.
pub(crate) fn is_xml_char(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        other => other >= ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_non_characters_are_refused() {
        for good in ["", "a\tb\r\nc", "\u{7f}\u{85}", "😀 \u{FEFF}\u{FFFD}"] {
            assert_eq!(check_text(good), Ok(()), "{good:?}");
        }
        for bad in ["\0", "a\u{1b}[0m", "\u{FFFE}", "x\u{FFFF}"] {
            assert!(check_text(bad).is_err(), "{bad:?}");
        }
    }
}
