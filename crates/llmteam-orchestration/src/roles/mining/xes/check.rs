//! Whether a text is XES by the schema of IEEE 1849: the order of elements, required attributes, types and names.
//!
//! Invariant: written from the rules, not from the writer; it shares nothing with the reader but the tokens.

use super::super::xml::{
    ReadLimits, Token, XmlReader, attributes, decode, is_blank, is_name, is_nc_name,
};

const TYPED: [&str; 6] = ["string", "date", "int", "float", "boolean", "id"];
/// The children of a log, in their order; an attribute counts as `attribute`.
const ORDER: [&str; 5] = ["extension", "global", "classifier", "attribute", "trace"];

/// The first way in which a text is not XES.
pub(super) fn fault_of(text: &[u8]) -> Option<String> {
    check(text).err()
}

fn check(text: &[u8]) -> Result<(), String> {
    if !text.starts_with(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<log ") {
        return Err("no declaration before the root".to_owned());
    }
    let mut xml = XmlReader::new(text, ReadLimits::default()).map_err(|it| it.to_string())?;
    let mut open: Vec<String> = Vec::new();
    let (mut furthest, mut traces_attributes_over, mut buffer) = (0, false, Vec::new());
    let mut globals = Vec::new();
    loop {
        buffer.clear();
        let (tag, stays) = match xml.next(&mut buffer).map_err(|it| it.to_string())? {
            Token::End => return Ok(()),
            Token::Nothing => continue,
            Token::Text(text) if is_blank(&text) => continue,
            Token::Text(text) => return Err(format!("text `{text}`")),
            Token::Close => {
                open.pop();
                continue;
            }
            Token::Open(tag) => (tag, true),
            Token::Empty(tag) => (tag, false),
        };
        let name = tag.name();
        let name: &str = name.as_ref();
        let mut given = Vec::new();
        for attribute in attributes(tag.attributes_raw()) {
            let (name, value) = attribute.map_err(|it| it.to_string())?;
            given.push((name, decode(value, true).map_err(|it| it.to_string())?));
        }
        let get = |wanted: &str| given.iter().find(|it| it.0 == wanted).map(|it| &*it.1);
        let need = |wanted: &str| get(wanted).ok_or_else(|| format!("`{name}` lacks `{wanted}`"));
        let parent = open.last().map_or("", String::as_str);
        match (parent, name) {
            ("", "log") => {
                let version = need("xes.version")?;
                let digits = version
                    .split('.')
                    .all(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()));
                if !digits || version.split('.').count() > 2 {
                    return Err(format!("xes.version `{version}` is no decimal"));
                }
                if need("xmlns")? != "http://www.xes-standard.org/" {
                    return Err("another namespace".to_owned());
                }
            }
            ("log", "extension") => {
                need("name").and(need("uri"))?;
                if !is_nc_name(need("prefix")?) || !is_nc_name(need("name")?) {
                    return Err("an extension is no NCName".to_owned());
                }
            }
            ("log", "global") => {
                let scope = need("scope")?.to_owned();
                if !["trace", "event"].contains(&&*scope) || globals.contains(&scope) {
                    return Err(format!("a global of `{scope}`"));
                }
                globals.push(scope);
            }
            ("log", "classifier") => {
                need("keys")?;
                if !is_nc_name(need("name")?) {
                    return Err("a classifier is no NCName".to_owned());
                }
            }
            ("log", "trace") => traces_attributes_over = false,
            ("trace", "event") => traces_attributes_over = true,
            ("trace", _) if traces_attributes_over => {
                return Err("an attribute of a trace after its events".to_owned());
            }
            ("log" | "global" | "trace" | "event", typed) | (_, typed)
                if TYPED.contains(&typed) && !parent.is_empty() =>
            {
                if !is_name(need("key")?) {
                    return Err(format!("key `{:?}` is no Name", get("key")));
                }
                let value = need("value")?;
                if !is_of_type(typed, value) {
                    return Err(format!("`{value}` is no {typed}"));
                }
            }
            _ => return Err(format!("`{name}` in `{parent}`")),
        }
        if parent == "log" {
            let kind = if TYPED.contains(&name) {
                "attribute"
            } else {
                name
            };
            let place = ORDER
                .iter()
                .position(|it| *it == kind)
                .ok_or_else(|| format!("`{name}` in the log"))?;
            if place < furthest {
                return Err(format!("`{name}` comes too late"));
            }
            furthest = place;
        }
        if stays {
            open.push(name.to_owned());
        }
    }
}

fn is_of_type(typed: &str, value: &str) -> bool {
    match typed {
        "int" => value.parse::<i64>().is_ok(),
        "float" => {
            ["INF", "-INF", "NaN"].contains(&value)
                || value.bytes().all(|it| b"+-.eE0123456789".contains(&it))
                    && value.parse::<f64>().is_ok()
        }
        "boolean" => ["true", "false"].contains(&value),
        "date" => {
            let offset =
                value.len() > 6 && ["+", "-"].contains(&&value[value.len() - 6..value.len() - 5]);
            offset && value.parse::<llmteam_security::Timestamp>().is_ok()
        }
        _ => true,
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let wrap = |body: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<log xes.version=\"1849.2016\" xmlns=\"http://www.xes-standard.org/\">{body}</log>"
        )
    };
    let good = "<extension name=\"Concept\" prefix=\"concept\" uri=\"u\"/><classifier name=\"A\" keys=\"k\"/><int key=\"a\" value=\"1\"/><trace><event/></trace>";
    assert_eq!(fault_of(wrap(good).as_bytes()), None);
    for bad in [
        "<trace/><classifier name=\"A\" keys=\"k\"/>",
        "<classifier name=\"Activity classifier\" keys=\"k\"/>",
        "<string key=\"a b\" value=\"\"/>",
        "<string key=\"a\"/>",
        "<int key=\"a\" value=\"1.5\"/>",
        "<date key=\"a\" value=\"2024-01-01T00:00:00\"/>",
        "<boolean key=\"a\" value=\"yes\"/>",
        "<list key=\"a\" value=\"\"/>",
        "<trace><event/><string key=\"a\" value=\"\"/></trace>",
        "<event/>",
        "<trace>text</trace>",
    ] {
        assert!(fault_of(wrap(bad).as_bytes()).is_some(), "{bad}");
    }
    assert!(fault_of(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<log xes.version=\"1849-2016\" xmlns=\"http://www.xes-standard.org/\"/>").is_some());
}
