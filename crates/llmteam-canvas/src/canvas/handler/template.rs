//! Text with names in braces (L-03).
//!
//! `{name}` stands for a value, `{{` and `}}` for braces; an unknown name stays as it is written.
//! Invariant: text that was filled in is never read again, so a value cannot name another one.

use serde_json::Value;

use crate::runtime::StepInput;

/// A text that was read once and can be filled many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Template {
    pub(super) fn parse(text: &str) -> Self {
        let mut template = Self(Vec::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            template.text(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            rest = if let Some(after) = after.strip_prefix(brace) {
                template.text(brace);
                after
            } else if let Some(name) = name_before_brace(brace, after) {
                template.0.push(Part::Name(name.to_owned()));
                &after[name.len() + 1..]
            } else {
                template.text(brace);
                after
            };
        }
        template.text(rest);
        template
    }

    /// The text with every known name replaced: strings as they are, other values as compact JSON.
    pub(super) fn fill(&self, names: &Names<'_>) -> String {
        self.fill_with(names, str::to_owned)
    }

    /// The same, with every value passed through `encode`.
    pub(super) fn fill_with(&self, names: &Names<'_>, encode: impl Fn(&str) -> String) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Name(name) => match names.get(name) {
                    Some(value) => filled.push_str(&encode(&shown(value))),
                    None => filled.extend(["{", name, "}"]),
                },
            }
        }
        filled
    }

    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.0.push(Part::Text(text.to_owned())),
        }
    }
}

/// The name that `{` begins, if it is closed before the next `{`.
fn name_before_brace<'a>(brace: &str, after: &'a str) -> Option<&'a str> {
    let end = after.find(['{', '}']).filter(|_| brace == "{")?;
    (after[end..].starts_with('}') && end > 0).then(|| &after[..end])
}

/// A value as text: a string as it is, anything else as compact JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Where names are looked up: the input object, then the subject's fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) input: &'a StepInput,
    pub(super) subject: &'a Value,
}

impl<'a> Names<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.input.port(name).or_else(|| self.subject.get(name))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::runtime::PortName;

    fn check(template: &str, expected: &str) {
        let subject = json!({ "name": "Ann", "n": 2, "list": [1, {"a": null}], "nested": "{name}", "é": "e" });
        let ports = [
            (PortName::from("topic"), Arc::new(json!("rust"))),
            (PortName::from("n"), Arc::new(json!(7))),
        ];
        let input = StepInput::of_ports(ports.into_iter().collect());
        let names = Names {
            input: &input,
            subject: &subject,
        };
        assert_eq!(
            Template::parse(template).fill(&names),
            expected,
            "{template}"
        );
    }

    // covers: L-03
    #[test]
    fn names_are_filled_from_input_then_subject() {
        check("", "");
        check("no names", "no names");
        check("{name} on {topic}", "Ann on rust");
        check("{n}", "7");
        check("{list}", r#"[1,{"a":null}]"#);
        check("{é}{name}", "eAnn");
    }

    // covers: L-03
    #[test]
    fn what_is_no_known_name_stays() {
        check("{unknown} { name } {}", "{unknown} { name } {}");
        check("{name", "{name");
        check("name}", "name}");
        check(r#"{"a": {name} }"#, r#"{"a": Ann }"#);
    }

    // covers: L-03
    #[test]
    fn doubled_braces_are_braces_and_values_are_not_read_again() {
        check("{{name}}", "{name}");
        check("{{{name}}}", "{Ann}");
        check("{{}}", "{}");
        check("{nested}", "{name}");
    }

    #[test]
    fn values_can_be_encoded() {
        let subject = json!({ "id": "a/b", "x": "/" });
        let input = StepInput::of_run(Arc::new(json!({})));
        let names = Names {
            input: &input,
            subject: &subject,
        };
        let filled =
            Template::parse("/{id}/{x}/{y}").fill_with(&names, |text| text.replace('/', "%2F"));
        assert_eq!(filled, "/a%2Fb/%2F/{y}");
    }
}
