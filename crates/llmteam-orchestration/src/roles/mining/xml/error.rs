//! Why a file is refused, and where.
//!
//! Invariant: every refusal has a position; no message holds more than a short, escaped piece of the file.

use super::super::error::MiningError;

/// A file that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {fault}")]
pub struct FormatError {
    /// How many bytes of the file, unpacked, were read before.
    pub at: u64,
    /// What is wrong.
    #[source]
    pub fault: FormatFault,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatFault {
    /// The file cannot be read, or its packing is damaged.
    #[error("cannot read on: {0}")]
    Unreadable(String),
    /// It is not well-formed.
    #[error("not well-formed: {0}")]
    Malformed(String),
    /// It ends before its root does.
    #[error("the file ends within `{0}`")]
    Truncated(String),
    /// It is not in UTF-8.
    #[error("encoding `{0}` is not UTF-8")]
    Encoding(String),
    /// It has a document type definition, which could define entities.
    #[error("document type definitions are not accepted")]
    DocumentType,
    /// An entity that XML does not predefine.
    #[error("`&{0};` is not defined")]
    Entity(String),
    /// It is larger than may be read.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// One tag or text is larger than may be read.
    #[error("a piece of more than {limit} bytes")]
    PieceTooLarge {
        /// The limit.
        limit: u64,
    },
    /// Its elements are nested deeper than may be read.
    #[error("elements are nested more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// One event, case or log has more attributes than may be read.
    #[error("more than {limit} attributes of one owner")]
    TooManyAttributes {
        /// The limit.
        limit: usize,
    },
    /// An element that has no place there.
    #[error("`{element}` has no place in `{parent}`")]
    Misplaced {
        /// The element.
        element: String,
        /// What it stands in; empty for the document.
        parent: String,
    },
    /// Text where only elements may stand.
    #[error("text has no place here: `{0}`")]
    Text(String),
    /// An element lacks an attribute or a child.
    #[error("`{element}` needs `{missing}`")]
    Missing {
        /// The element.
        element: String,
        /// What it lacks.
        missing: &'static str,
    },
    /// A value that is not of its type.
    #[error("`{value}` is no {expected}")]
    Value {
        /// The beginning of the value.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
    /// An id that is defined twice, or not at all.
    #[error("`{id}` {rule}")]
    Id {
        /// The id.
        id: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// A log cannot hold it.
    #[error(transparent)]
    Log(#[from] MiningError),
}

impl FormatFault {
    /// At a position.
    pub(crate) fn at(self, at: u64) -> FormatError {
        FormatError { at, fault: self }
    }

    pub(crate) fn value(value: &str, expected: &'static str) -> Self {
        Self::Value {
            value: excerpt(value),
            expected,
        }
    }

    pub(crate) fn malformed(what: &str) -> Self {
        Self::Malformed(what.to_owned())
    }
}

/// The beginning of a text, escaped.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars()
        .take(60)
        .flat_map(char::escape_default)
        .collect()
}
