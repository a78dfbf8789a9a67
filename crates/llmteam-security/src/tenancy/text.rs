//! Texts that people write and programs show.
//!
//! Invariant: a text that passed holds nothing that changes how a line is shown or where it ends.

/// Why `text` is no name of `1..=longest` bytes on one line; `None` when it is one.
pub(super) fn fault(text: &str, longest: usize) -> Option<&'static str> {
    if text.is_empty() {
        Some("is empty")
    } else if text.len() > longest {
        Some("is too long")
    } else if text.chars().any(is_deceptive) {
        Some("holds a control or direction character")
    } else {
        None
    }
}

/// Controls, marks that turn the direction of writing, the byte order mark, line and paragraph separators.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A foreign text for a message: short and without controls.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect()
}
