//! Texts that survive being attributes of elements.

/// Appends a text as it stands in an attribute: a reader gets back every character, line breaks included.
pub(crate) fn escape(out: &mut Vec<u8>, text: &str) {
    let mut plain = 0;
    for (place, byte) in text.bytes().enumerate() {
        let escaped: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            b'\t' => b"&#9;",
            b'\n' => b"&#10;",
            b'\r' => b"&#13;",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..place]);
        out.extend_from_slice(escaped);
        plain = place + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

/// Whether a text is a `Name` of XML 1.0.
pub(crate) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(starts_name) && characters.all(continues_name)
}

/// Whether a text is a `Name` without colons.
#[cfg(test)]
pub(crate) fn is_nc_name(text: &str) -> bool {
    is_name(text) && !text.contains(':')
}

fn starts_name(it: char) -> bool {
    matches!(it, ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}' | '\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn continues_name(it: char) -> bool {
    starts_name(it)
        || matches!(it, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}' | '\u{2040}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::read::decode, *};

    #[test]
    fn names_are_those_of_xml() {
        for good in ["a", "concept:name", "_x", "é-1.2", "llmteam:waits"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "a b", "-a", "a\"", "a&b"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_nc_name("Activity") && !is_nc_name("a:b"));
    }

    proptest! {
        // covers: M12
        #[test]
        fn what_is_escaped_is_read_back(text in "[a-z&<>\"'\\t\\n\\r😀\u{85}\u{2028}]{0,40}") {
            let mut out = Vec::new();
            escape(&mut out, &text);
            let written = String::from_utf8(out).unwrap();
            prop_assert_eq!(decode(&written, true).unwrap(), text);
        }
    }
}
