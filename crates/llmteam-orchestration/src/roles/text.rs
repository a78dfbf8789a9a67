//! Text of others, made fit for logs, errors and prompts.
//!
//! Invariant: what comes out is one line of bounded length without control characters, and holds neither the
//! credentials of an address nor the value of what is named like a secret. What it cannot recognise it cannot mask:
//! whoever writes a message still keeps secrets out of it.

/// The longest text of an error that is passed on, in characters.
pub(crate) const LONGEST: usize = 512;

/// What replaces a secret.
const MASK: &str = "***";

/// Names whose value is masked, compared without case and without `-` and `_`.
const SECRET_NAMES: [&str; 8] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "authorization",
    "bearer",
];

/// `text` as one line of at most [`LONGEST`] characters without secrets.
pub(crate) fn sanitised(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|it| if is_unprintable(it) { ' ' } else { it })
        .collect();
    cut(&without_secrets(&without_credentials(&line)), LONGEST)
}

/// The first `most` characters of `text`, with a mark where something was left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Control characters, and those that are not seen or change the direction or break of what surrounds them.
pub(crate) fn is_unprintable(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Masks what stands between `://` and `@` of an address.
fn without_credentials(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str("://");
        let authority = part
            .find(|it: char| it.is_whitespace() || matches!(it, '/' | '?' | '#' | '"' | '\''))
            .unwrap_or(part.len());
        match part[..authority].rfind('@') {
            Some(at) => {
                clean.push_str(MASK);
                clean.push_str(&part[at..]);
            }
            None => clean.push_str(part),
        }
    }
    clean
}

/// Masks the word that follows the name of a secret: `token=…`, `api_key: …`, `Bearer …`.
fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut masks_next = false;
    while !rest.is_empty() {
        let is_gap = |it: char| {
            it.is_whitespace() || matches!(it, '=' | ':' | '"' | '\'' | ',' | ';' | '&' | '?')
        };
        let gap = rest.find(|it| !is_gap(it)).unwrap_or(rest.len());
        let (between, after) = rest.split_at(gap);
        // A name ends its clause: a comma or a semicolon after it says that no value follows.
        masks_next &= !between.contains([',', ';', '&']);
        clean.push_str(between);
        let end = after.find(is_gap).unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        let names_secret = is_secret_name(word);
        let follows = names_secret && (after.starts_with(['=', ':', '"', '\'']) || is_scheme(word));
        clean.push_str(if masks_next && !is_scheme(word) {
            MASK
        } else {
            word
        });
        masks_next = follows || (masks_next && is_scheme(word));
        rest = after;
    }
    clean
}

fn is_secret_name(word: &str) -> bool {
    let name: String = word
        .chars()
        .filter(|it| !matches!(it, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect();
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

/// Words that announce a credential without `=` or `:`.
fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // covers: G14
    #[test]
    fn credentials_and_secrets_are_masked() {
        let check = |dirty: &str, clean: &str| assert_eq!(sanitised(dirty), clean);
        check(
            "cannot reach postgres://u:p@ss@db:5432/x?sslmode=off",
            "cannot reach postgres://***@db:5432/x?sslmode=off",
        );
        check("https://host/a@b", "https://host/a@b");
        check("api_key=sk-12 failed", "api_key=*** failed");
        check("{\"X-Api-Key\": \"sk-12\"}", "{\"X-Api-Key\": \"***\"}");
        check(
            "Authorization: Bearer abc.def, 401",
            "Authorization: Bearer ***, 401",
        );
        check("the token expired", "the token expired");
        check("no password, try again", "no password, try again");
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(sanitised("a\nb\u{202e}c"), "a b c");
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }

    proptest! {
        #[test]
        fn any_text_is_bounded_and_printable(text in "\\PC*|[ -~\u{0}-\u{1f}@:/=]{0,900}") {
            let clean = sanitised(&text);
            prop_assert!(clean.chars().count() <= LONGEST + 1);
            prop_assert!(!clean.chars().any(is_unprintable));
        }

        #[test]
        fn what_stands_before_the_host_never_comes_through(user in "[a-z]{8}", pass in "[A-Z]{8,12}[a-z@:]{0,3}") {
            let clean = sanitised(&format!("lost redis://{user}:{pass}@host/0 again"));
            prop_assert_eq!(clean, "lost redis://***@host/0 again");
        }
    }
}
